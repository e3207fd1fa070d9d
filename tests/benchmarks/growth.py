"""How figures change as things grow: backlog, ledger, services, publishers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from tests.benchmarks.backlog import PACKED, SINGLE, measure_backlog, measure_ledger
from tests.benchmarks.drain import draining
from tests.benchmarks.many_publishers import PUBLISHERS, measure_publishers
from tests.benchmarks.many_services import SERVICES, measure_services
from tests.benchmarks.place import Place
from tests.benchmarks.point import Point


def measure_growth(place: Place, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Return the points, ready for JSON: the fields of a :class:`Point`, with those of its cost among them."""
    points = []
    for point in _points(place):
        rate = f"{point.effects_per_s:10,.0f}/s{'' if point.exact else '  NOT EXACT'}"
        say(f"growth  {point.series} {point.x:,} {rate}")
        points.append(_as_json(point))
    return points


def _as_json(point: Point) -> dict[str, Any]:
    fields = asdict(point)
    return {"effects_per_s": point.effects_per_s, **fields.pop("cost"), **fields}


def _points(place: Place) -> Iterator[Point]:
    _restart_broker(place)
    with draining(place) as drain:
        for count in PACKED:
            yield measure_backlog(place, drain, count, many_a_message=True)
        for count in SINGLE:
            yield measure_backlog(place, drain, count, many_a_message=False)
        yield from measure_ledger(place, drain)
    _restart_broker(place)
    yield from (measure_services(place, count) for count in SERVICES)
    _restart_broker(place)
    yield from (measure_publishers(place, count) for count in PUBLISHERS)


def _restart_broker(place: Place) -> None:
    """Let no series count the memory that the broker has kept since an earlier one."""
    place.servers.stack.restart("rabbitmq")
    place.servers.stack.wait_ready("rabbitmq")
