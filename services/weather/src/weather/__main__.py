"""``python -m weather``: ``replay`` a year of observations, or ``follow`` it at a steady rate for ever."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from datetime import datetime

from weather.contract import Observe
from weather.dataset import observations
from writegate.integrations.follow import follow
from writegate.integrations.stream import replay


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m weather", description=__doc__)
    parts = parser.add_subparsers(required=True, dest="part")
    replaying = parts.add_parser("replay", help="publish a year of observations")
    replaying.add_argument("--limit", type=int, metavar="HOURS", help="only so many observations (default: all 26,115)")
    replaying.add_argument("--until", type=_instant, metavar="TIME", help="only those before 2013-04-22T00:00:00Z, say")
    replaying.add_argument("--rate", type=float, metavar="R", help="commands a second (default: as fast as it goes)")
    following = parts.add_parser("follow", help="publish observations steadily, year after year, until stopped")
    following.add_argument("--rate", type=float, metavar="R", default=1.0, help="observations a second (default: 1)")
    options = parser.parse_args()
    if options.part == "follow":
        follow("weather", _for_ever(), options.rate)
    else:
        replay("weather", itertools.islice(observations(options.until), options.limit), rate=options.rate)


def _for_ever() -> Iterator[Observe]:
    """Start again when the year ends: publishing an observation again changes nothing."""
    while True:
        yield from observations()


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise argparse.ArgumentTypeError(f"expected a time with its zone, such as 2013-04-22T00:00:00Z, not {text}")
    return instant


if __name__ == "__main__":
    main()
