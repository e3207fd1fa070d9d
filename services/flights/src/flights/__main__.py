"""``python -m flights``: ``replay`` a year of real flights in the order of time, or ``follow`` it at a steady rate."""

from __future__ import annotations

import argparse
from pathlib import Path

from flights.dataset import events
from flights.feed import feed
from writegate.integrations.follow import follow
from writegate.integrations.stream import replay


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m flights", description=__doc__)
    parts = parser.add_subparsers(required=True, dest="part")
    command = parts.add_parser("replay", help="publish a year")
    command.add_argument("--limit", type=int, metavar="FLIGHTS", help="only so many flights (default: all 336,776)")
    command.add_argument("--rate", type=float, metavar="R", help="commands a second (default: as fast as it goes)")
    following = parts.add_parser("follow", help="publish steadily, year after year, until stopped")
    following.add_argument("--rate", type=float, metavar="R", default=10.0, help="commands a second (default: 10)")
    following.add_argument("--position", type=Path, metavar="FILE", help="file that keeps the position in the feed")
    options = parser.parse_args()
    if options.part == "follow":
        follow("flights", feed(options.position), options.rate)
    else:
        replay("flights", (command for _, command in events(options.limit)), rate=options.rate)


if __name__ == "__main__":
    main()
