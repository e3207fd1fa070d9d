"""The templates: each compiles, and the page of connections shows what a DBA looks for."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from writegate_console.gate.connections.budget import ConnectionBudget
from writegate_console.gate.connections.counts import ConnectionCounts, ConnectionsReport, DirectWriter, SessionCount
from writegate_console.gate.connections.ways import DirectSession, PrivilegedRole, TableWrites
from writegate_console.users import User
from writegate_console.web.security.identity import Viewer
from writegate_console.web.views.rendering import ENVIRONMENT

NOW = datetime(2100, 1, 1, tzinfo=UTC)
VIEWER = Viewer(User("ann", "operator"), "session", "token")
REPORT = ConnectionsReport(
    writers=ConnectionBudget(5, 5),
    sessions=(SessionCount("writegate_writer", "writegate-writer.0 writer-1@host/7-1", 1, 0, 0),),
    direct=(DirectWriter("legacy", "shop", "paid", ("UPDATE",), 1),),
    privileged=(PrivilegedRole("old_shop", "owner", None, ("shop.paid",), 1, ("shop worker",), gate_owner=False),),
    writing=(DirectSession(4711, "old_shop", "shop worker", "shop.paid"),),
    written=(TableWrites("shop.paid", 15_000, 0, 0, 0, NOW), TableWrites("shop.sent", 5, 5, 5, 7, NOW)),
    counters=ConnectionCounts(1, 0, 0, 0),
)


@pytest.mark.parametrize("name", ENVIRONMENT.list_templates())
def test_a_template_compiles(name: str) -> None:
    ENVIRONMENT.get_template(name)


def connections_page(report: ConnectionsReport) -> str:
    template = ENVIRONMENT.get_template("connections.html")
    return " ".join(
        template.render(
            report=report, recent_batches=50_000, viewer=VIEWER, path="/connections", snapshot=None, notice=None
        ).split()
    )


def test_who_writes_without_the_gate_is_named() -> None:
    page = connections_page(REPORT)
    assert "15,000 rows of shop.paid were written, and no command that may touch it." in page
    assert "old_shop writes to shop.paid now, as shop worker, pid 4711" in page
    assert "old_shop owns shop.paid; sessions now: 1 (shop worker)" in page
    assert "REVOKE UPDATE ON &#34;shop&#34;.&#34;paid&#34; FROM &#34;legacy&#34;;" in page
    assert "rows of shop.sent were written, and" not in page
