"""Printing a plan: as tables and lines, or as JSON."""

from __future__ import annotations

from datetime import timedelta
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from writegate_writer.handlers.domains import DeclaredDomain
from writegate_writer.provision.change import Action, Change
from writegate_writer.provision.ledger_size import LedgerShare
from writegate_writer.provision.plan import Plan

_SIGNS: dict[Action, tuple[str, str]] = {"create": ("+", "green"), "change": ("~", "yellow"), "refused": ("!", "red")}


def show_domains(domains: tuple[DeclaredDomain, ...], console: Console) -> None:
    """Print which lanes are applied together, and why. Lanes that are domains of their own share a row."""
    table = Table("domain", "lanes", "tables", "reason", box=None, pad_edge=False, header_style="bold")
    alike = groupby(domains, key=lambda domain: (domain.services, domain.tables, domain.reason))
    for (services, tables, reason), group in alike:
        members = list(group)
        lanes = [service for domain in members for service, _ in domain.lanes]
        counts = ", ".join(f"{service} ({lanes.count(service)})" for service in services)
        name = members[0].name if len(members) == 1 else f"{members[0].name} to {members[-1].name}"
        table.add_row(name, counts, "\n".join(tables), reason)
    console.print(table)
    console.print()


def show_ledger(shares: tuple[LedgerShare, ...], console: Console) -> None:
    """Print how long the ledger keeps each service's commands, and the disk space that takes."""
    table = Table(
        "ledger", "kept", "decided meanwhile", "on disk", "of the last day", "at that rate",
        box=None, pad_edge=False, header_style="bold",
    )  # fmt: skip
    for share in shares:
        days = f"{share.retention / timedelta(days=1):g} days"
        disk, later = (decimal(size) for size in (share.bytes, share.bytes_at_this_rate))
        table.add_row(share.service, days, f"{share.rows:,}", disk, f"{share.rows_last_day:,}", later)
    if shares:
        console.print(table)
        console.print()


def show_change(change: Change, console: Console) -> None:
    """Print one change on one line, however long: it is copied into searches."""
    sign, colour = _SIGNS[change.action]
    text = Text.assemble((f"{sign} {change.kind} {change.name}", colour), f"  {change.detail}")
    console.print(text, soft_wrap=True)


def as_json(plan: Plan, applied: list[Change] | None = None) -> dict[str, Any]:
    """Return what ``--json`` prints.

    ``domains``, ``ledger``, ``hints``, ``changes`` to make or left, ``applied`` by an apply.
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
        "changes": [_change(change) for change in plan.changes],
    }
    return found if applied is None else {**found, "applied": [_change(change) for change in applied]}


def _change(change: Change) -> dict[str, str]:
    return {"action": change.action, "kind": change.kind, "name": change.name, "detail": change.detail}
