"""``writegate check``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from writegate.catalog.description import describe
from writegate.catalog.installed import installed_services
from writegate.cli.output import Json, print_json, print_table, print_text
from writegate.errors import WritegateError
from writegate_writer.check.decoding import decoded
from writegate_writer.check.finding import Finding
from writegate_writer.check.released import compared
from writegate_writer.check.stored import kept_commands

WOULD_BREAK = 2  # exit code


def check(
    *,
    released: Annotated[
        Path | None,
        typer.Option(help="Compare with what --record wrote into this file. With --record it may be new."),
    ] = None,
    record: Annotated[
        Path | None, typer.Option(help="Write the contracts into this file, if they would break nothing.")
    ] = None,
    kept: Annotated[bool, typer.Option(help="Decode parked, deferred and recently applied commands again.")] = True,
    json_: Json = False,
) -> None:
    """Check the contracts against released and stored commands.

    Finds what breaks released contracts, or parked, deferred or recently applied commands. Reads with the reader role
    and changes nothing. Exit code 0: they would not, 2: they would, 1: failed.
    """
    services = installed_services()
    today = describe(services.values())
    # The first run of a pipeline that compares with what it records: nothing was released before.
    first = released is not None and record is not None and not released.exists()
    findings = _compared(released, today) if released and not first else []
    commands = None
    if kept:
        again = decoded(kept_commands(services), services)
        findings += again.findings
        commands = again.commands
    if json_:
        report = {
            "services": list(services),
            "compared": released is not None and not first,
            "kept": commands,
            "findings": [asdict(finding) for finding in findings],
        }
        print_json(report)
    else:
        compared_with = [f"there is no {released} yet" if first else f"{released} compared"] if released else []
        _show(findings, commands, compared_with)
    if findings:
        raise typer.Exit(WOULD_BREAK)
    if record:
        _write(record, json.dumps(today, indent=2))


def _show(findings: list[Finding], commands: int | None, checks: list[str]) -> None:
    if findings:
        rows = (
            (finding.where, finding.task, finding.version, finding.rows or None, finding.first_id, finding.why)
            for finding in findings
        )
        print_table(("what", "task", "version", "rows", "first", "why"), rows)
    if commands is not None:
        checks = [*checks, f"{commands} parked, deferred and recent commands read again"]
    result = f"{len(findings)} would break" if findings else "nothing would break"
    print_text(f"{result}: {', '.join(checks) or 'nothing was checked'}")


def _compared(path: Path, today: Mapping[str, Any]) -> list[Finding]:
    try:
        return compared(json.loads(path.read_text(encoding="utf-8")), today)
    except FileNotFoundError as error:
        raise WritegateError(f"there is no {path}: write it with `writegate check --record {path}` first") from error
    except (OSError, ValueError) as error:
        raise WritegateError(f"cannot read {path}: {error}") from error
    except (LookupError, TypeError, AttributeError) as error:
        raise WritegateError(f"{path}: expected what `writegate check --record` writes") from error


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise WritegateError(f"cannot write {path}: {error.strerror}") from error
