"""``python -m fleet replay``: publish the register of airframes."""

from __future__ import annotations

import argparse
import itertools

from fleet.register import airframes
from writegate.integrations.stream import replay


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m fleet", description=__doc__)
    command = parser.add_subparsers(required=True, metavar="replay").add_parser("replay")
    command.add_argument("--limit", type=int, metavar="AIRFRAMES", help="only so many (default: all 3,322)")
    command.add_argument("--rate", type=float, metavar="R", help="commands a second (default: as fast as it goes)")
    options = parser.parse_args()
    replay("fleet", itertools.islice(airframes(), options.limit), rate=options.rate)


if __name__ == "__main__":
    main()
