"""``writegate parked``: the subcommands."""

from __future__ import annotations

import typer

from writegate_console.cli.parked import editing, listing, moving

app = typer.Typer(no_args_is_help=True, help="Look at parked commands, edit, replay and drop them.")
app.command("list")(listing.list_parked)
app.command("show")(listing.show)
app.command("edit")(editing.edit)
app.command("replay")(moving.replay)
app.command("drop")(moving.drop)
