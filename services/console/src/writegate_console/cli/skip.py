"""``writegate skip``."""

from __future__ import annotations

from typing import Annotated

import typer

from writegate.cli.output import Json, print_json
from writegate.contract.operations import TakeOut
from writegate.session_name import login_name
from writegate_console.cli.options import By, Reason
from writegate_console.gate.operate import operate_once


def skip(  # noqa: PLR0913  options
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="The service whose command it is.")],
    id_: Annotated[str, typer.Argument(metavar="ID", help="The id of the command, as `publish` returned it.")],
    *,
    reason: Reason,
    park: Annotated[
        bool, typer.Option("--park", help="Park it, so that it can be replayed; else it is dropped.")
    ] = False,
    by: By = "",
    json_: Json = False,
) -> None:
    """Drop or park one command before a writer applies it.

    It may be in a queue, on its way, or deferred; its turn takes it out. Exit code 0: it will not be applied; 1:
    failed, or it is finished already.
    """
    operation = TakeOut(service=service, id=id_, drop=not park, by=by or login_name(), reason=reason)
    result = operate_once(operation)
    if json_:
        print_json(result)
    else:
        typer.echo(f"{'parked' if park else 'dropped'} {id_} when its turn comes; it will not be applied")
