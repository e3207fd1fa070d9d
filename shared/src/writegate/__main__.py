"""``python -m writegate``: the command line where no script is installed."""

from writegate.cli import main

main()
