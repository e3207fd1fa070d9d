"""``writegate plan`` and ``writegate apply``."""

from __future__ import annotations

from difflib import get_close_matches
from enum import StrEnum
from functools import partial
from typing import Annotated

import typer

from writegate.cli.asking import confirm
from writegate.cli.output import Json, coloured, print_json, print_text
from writegate.config import Settings
from writegate_writer.provision.change import ApplyError, Change, password_variable
from writegate_writer.provision.plan import NEED, Applier, Plan, declared_by, opened
from writegate_writer.provision.plan_output import as_json, show_change, show_domains, show_ledger
from writegate_writer.provision.render.definitions import definitions
from writegate_writer.provision.render.kubernetes import kubernetes
from writegate_writer.provision.render.sql import sql


class Render(StrEnum):
    """Other means of applying what is declared."""

    DEFINITIONS = "definitions"
    KUBERNETES = "kubernetes"
    SQL = "sql"


def plan(
    *,
    json_: Json = False,
    render: Annotated[
        Render | None,
        typer.Option(
            help="Ask no server, and print all that is declared for RabbitMQ's import, the Kubernetes topology "
            "operator, or psql."
        ),
    ] = None,
) -> None:
    """Show how broker and database differ from the declarations. Exit code 0: not at all, 2: they do, 1: failed."""
    if render is not None:
        typer.echo(_rendered(render))
        return
    with opened(Settings.load(need=NEED)) as applier:
        found = applier.plan()
    if json_:
        print_json(as_json(found))
    else:
        _show_plan(found)
    if found.changes:
        raise typer.Exit(2)


def _rendered(form: Render) -> str:
    settings = Settings.load()
    declared = declared_by(settings)
    if form is Render.SQL:
        return sql(declared.database)
    if form is Render.KUBERNETES:
        return kubernetes(declared.broker)
    without = sorted(set(declared.broker.users) - set(declared.passwords))
    if without:
        names = ", ".join(map(password_variable, without))
        typer.echo(f"without a password, so that they cannot log in: {', '.join(without)} ({names} not set)", err=True)
    return definitions(declared.broker, declared.passwords)


def apply(
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before changing anything.")] = False,
    json_: Json = False,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Switch although publishers still run that know another number of lanes.")
    ] = False,
    switch: Annotated[
        list[str] | None,
        typer.Option(metavar="SERVICE", help="Give it the number of lanes it declares, and its queues new arguments."),
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds a switch waits for its lanes to run empty.")] = 120.0,
) -> None:
    """Make broker and database as the services declare. Exit code 0: they are now, 1: something failed or was refused.

    Never deletes what may hold messages or rows: such changes are refused with the way to make them.
    """
    if json_ and not yes:
        raise typer.BadParameter("--json cannot ask: add --yes, or run `writegate plan --json` first")
    with opened(Settings.load(need=NEED)) as applier:
        names = [_known(name, applier) for name in switch or ()]
        before = applier.plan()
        if not yes:
            _show_plan(before)
            if before.possible:
                confirm("Make these changes?")
        applied: list[Change] = []

        def done(change: Change) -> None:
            applied.append(change)
            if not json_:
                show_change(change)

        after = applier.apply(before, done)
        if names:
            _ask_for_switch(names, applier, yes=yes, anyway=anyway)
            for change in applier.switch(names, timeout, partial(typer.echo, err=json_)):
                done(change)
            after = applier.apply(applier.plan(), done)
    if json_:
        print_json(as_json(after, applied))
    else:
        _show_result(applied, after)
    if after.refused:
        raise typer.Exit(1)


def _known(name: str, applier: Applier) -> str:
    if name in applier.services:
        return name
    nearest = get_close_matches(name, applier.services) or sorted(applier.services)
    raise ApplyError(f"no service {name!r} is installed: did you mean {', '.join(nearest)}?")


def _ask_for_switch(names: list[str], applier: Applier, *, yes: bool, anyway: bool) -> None:
    outdated = list(applier.outdated(names))
    for text in outdated:
        typer.echo(coloured(f"not restarted with this declaration: {text}", "yellow"), err=True)
    if outdated and yes and not anyway:
        # Restarted later, they could overtake what they have sent before: nobody was asked whether that may be.
        raise ApplyError("restart those publishers first, or add --anyway: nothing was switched")
    if not yes:
        confirm(f"Shut out the publishers of {', '.join(names)} until its lanes are empty, and switch?")


def _show_plan(found: Plan) -> None:
    show_domains(found.domains)
    show_ledger(found.ledger)
    for hint in found.hints:
        print_text(f"hint: {hint}\n")
    for orphan in found.orphans:
        way = f"If it is no more: `writegate service remove {orphan.service}`"
        print_text(f"{orphan.service} is not installed here, and there is {', '.join(orphan.parts)}. {way}\n")
    for change in found.changes:
        show_change(change)
    if found.changes:
        typer.echo(f"\n{len(found.possible)} to make, {len(found.refused)} refused")
    else:
        typer.echo("nothing to change: broker and database are as declared")


def _show_result(applied: list[Change], after: Plan) -> None:
    for change in after.refused:
        show_change(change)
    if applied or after.refused:
        typer.echo(f"\n{len(applied)} made, {len(after.refused)} refused")
    else:
        typer.echo("nothing to change: broker and database are as declared")
