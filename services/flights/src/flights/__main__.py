"""``python -m flights replay``: publish a year of real flights, in the order in which things happened."""

from __future__ import annotations

import argparse

from flights.recorded import events
from writegate.stream import replay


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m flights", description=__doc__)
    command = parser.add_subparsers(required=True, metavar="replay").add_parser("replay")
    command.add_argument("--limit", type=int, metavar="FLIGHTS", help="only so many flights (default: all 336,776)")
    command.add_argument("--rate", type=float, metavar="R", help="commands a second (default: as fast as it goes)")
    options = parser.parse_args()
    replay("flights", (command for _, command in events(options.limit)), rate=options.rate)


if __name__ == "__main__":
    main()
