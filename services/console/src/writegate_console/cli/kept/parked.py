"""``writegate parked``: the subcommands."""

from __future__ import annotations

import typer

from writegate.contract.operations import PARKED
from writegate_console.cli.kept import editing, listing, moving
from writegate_console.cli.kept.texts import TEXTS

app = typer.Typer(no_args_is_help=True, help="Look at parked commands, edit, replay and drop them.")
app.command("list", help=listing.LIST_HELP.format("parked"))(listing.list_of(PARKED))
app.command("show", help=listing.SHOW_HELP.format("parked"))(listing.show_of(PARKED))
app.command("edit")(editing.edit)
app.command("replay", help=TEXTS["parked", "replay"].help)(moving.move_of("parked", "replay"))
app.command("drop", help=TEXTS["parked", "drop"].help)(moving.move_of("parked", "drop"))
