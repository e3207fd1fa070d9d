"""``writegate deferred``: the subcommands."""

from __future__ import annotations

import typer

from writegate.contract.operations import DEFERRED
from writegate_console.cli.kept import listing, moving
from writegate_console.cli.kept.texts import TEXTS

app = typer.Typer(no_args_is_help=True, help="Look at deferred commands, try, park and drop them.")
app.command("list", help=listing.LIST_HELP.format("deferred"))(listing.list_of(DEFERRED))
app.command("show", help=listing.SHOW_HELP.format("deferred"))(listing.show_of(DEFERRED))
app.command("replay", help=TEXTS["deferred", "replay"].help)(moving.move_of("deferred", "replay"))
app.command("park", help=TEXTS["deferred", "park"].help)(moving.move_of("deferred", "park"))
app.command("drop", help=TEXTS["deferred", "drop"].help)(moving.move_of("deferred", "drop"))
