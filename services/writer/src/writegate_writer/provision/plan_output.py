"""Printing a plan: as tables and lines, or as JSON."""

from __future__ import annotations

from datetime import timedelta
from itertools import groupby
from typing import Any

import typer
from rich.filesize import decimal

from writegate.cli.output import coloured, print_table
from writegate_writer.handlers.domains import DeclaredDomain
from writegate_writer.provision.change import Action, Change
from writegate_writer.provision.ledger_size import LedgerShare
from writegate_writer.provision.plan import Plan

_SIGNS: dict[Action, tuple[str, str]] = {"create": ("+", "green"), "change": ("~", "yellow"), "refused": ("!", "red")}


def show_domains(domains: tuple[DeclaredDomain, ...]) -> None:
    """Print which lanes are applied together, and why. Lanes that are domains of their own share a row."""
    rows = []
    alike = groupby(domains, key=lambda domain: (domain.services, domain.tables, domain.reason))
    for (services, tables, reason), group in alike:
        members = list(group)
        lanes = [service for domain in members for service, _ in domain.lanes]
        counts = ", ".join(f"{service} ({lanes.count(service)})" for service in services)
        name = members[0].name if len(members) == 1 else f"{members[0].name} to {members[-1].name}"
        rows.append((name, counts, ", ".join(tables), reason))
    print_table(("domain", "lanes", "tables", "reason"), rows)
    typer.echo()


def show_ledger(shares: tuple[LedgerShare, ...]) -> None:
    """Print how long the ledger keeps each service's commands, and the disk space that takes."""
    rows = []
    for share in shares:
        days = f"{share.retention / timedelta(days=1):g} days"
        disk, later = (decimal(size) for size in (share.bytes, share.bytes_at_this_rate))
        rows.append((share.service, days, f"{share.rows:,}", disk, f"{share.rows_last_day:,}", later))
    if rows:
        print_table(("ledger", "kept", "decided meanwhile", "on disk", "of the last day", "at that rate"), rows)
        typer.echo()


def show_change(change: Change) -> None:
    """Print one change on one line, however long: it is copied into searches."""
    sign, colour = _SIGNS[change.action]
    typer.echo(f"{coloured(f'{sign} {change.kind} {change.name}', colour)}  {change.detail}")


def as_json(plan: Plan, applied: list[Change] | None = None) -> dict[str, Any]:
    """Return what ``--json`` prints.

    ``domains``, ``ledger``, ``hints``, ``orphans``, ``changes`` to make or left, ``applied`` by an apply.
    """
    domains = [
        {
            "name": domain.name,
            "lanes": [list(lane) for lane in domain.lanes],
            "tables": list(domain.tables),
            "reason": domain.reason,
        }
        for domain in plan.domains
    ]
    ledger = [
        {
            "service": share.service,
            "retention_seconds": share.retention.total_seconds(),
            "rows": share.rows,
            "rows_last_day": share.rows_last_day,
            "row_bytes": share.row_bytes,
            "bytes": share.bytes,
            "bytes_at_this_rate": share.bytes_at_this_rate,
        }
        for share in plan.ledger
    ]
    found = {
        "domains": domains,
        "ledger": ledger,
        "hints": list(plan.hints),
        "orphans": [{"service": orphan.service, "parts": list(orphan.parts)} for orphan in plan.orphans],
        "changes": [_change(change) for change in plan.changes],
    }
    return found if applied is None else {**found, "applied": [_change(change) for change in applied]}


def _change(change: Change) -> dict[str, str]:
    return {"action": change.action, "kind": change.kind, "name": change.name, "detail": change.detail}
