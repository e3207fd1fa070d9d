"""``python -m writegate``: the command line where no script is installed."""

from writegate.cli.main import main

main()
