"""How figures change as things grow: backlog, ledger, services, publishers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from tests.benchmarks.backlog import LedgerSize, measure_backlog, measure_ledger
from tests.benchmarks.drain import draining
from tests.benchmarks.many_publishers import measure_publishers
from tests.benchmarks.many_services import measure_services
from tests.benchmarks.place import Place
from tests.benchmarks.point import Point


@dataclass(frozen=True)
class Growth:
    """The steps of each series.

    ``packed`` and ``single``: backlogs, and how often each is drained. A small one is drained in a fraction of a
    second: the median of more is steadier.
    """

    packed: dict[int, int]
    single: dict[int, int]
    ledger: LedgerSize
    services: tuple[int, ...]
    publishers: tuple[int, ...]
    seconds: float
    """For how long is published to services, and from publishers twice as long."""
    fresh_broker: bool
    """Whether the broker is restarted before each series, so that none counts the memory of an earlier one."""


FULL = Growth(
    packed={10**4: 15, 10**5: 5, 10**6: 1},
    single={10**4: 5, 10**5: 3},
    ledger=LedgerSize(rows=(10**5, 10**7), backlog=10**5, runs=3),
    services=(1, 10, 100, 500),
    publishers=(1, 100, 1000),
    seconds=5.0,
    fresh_broker=True,
)
SMOKE = Growth(
    packed={100: 1},
    single={100: 1},
    ledger=LedgerSize(rows=(100, 200), backlog=100, runs=1),
    services=(1,),
    publishers=(1,),
    seconds=0.5,
    fresh_broker=False,
)


def measure_growth(place: Place, growth: Growth, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Return the points, ready for JSON: the fields of a :class:`Point`, with those of its cost among them."""
    points = []
    for point in _points(place, growth):
        rate = f"{point.effects_per_s:10,.0f}/s{'' if point.exact else '  NOT EXACT'}"
        say(f"growth  {point.series} {point.x:,} {rate}")
        points.append(_as_json(point))
    return points


def _as_json(point: Point) -> dict[str, Any]:
    fields = asdict(point)
    return {"effects_per_s": point.effects_per_s, **fields.pop("cost"), **fields}


def _points(place: Place, growth: Growth) -> Iterator[Point]:
    _restart_broker(place, growth)
    with draining(place) as drain:
        for count, runs in growth.packed.items():
            yield measure_backlog(place, drain, count, runs, many_a_message=True)
        for count, runs in growth.single.items():
            yield measure_backlog(place, drain, count, runs, many_a_message=False)
        yield from measure_ledger(place, drain, growth.ledger)
    _restart_broker(place, growth)
    yield from (measure_services(place, count, growth.seconds) for count in growth.services)
    _restart_broker(place, growth)
    yield from (measure_publishers(place, count, 2 * growth.seconds) for count in growth.publishers)


def _restart_broker(place: Place, growth: Growth) -> None:
    if not growth.fresh_broker:
        return
    place.servers.stack.restart("rabbitmq")
    place.servers.stack.wait_ready("rabbitmq")
