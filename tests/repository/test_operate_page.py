"""What `shared/docs/operate.md` names is what people will see: alerts and log events."""

from __future__ import annotations

import re

import yaml

from tests.checkout import ROOT, tracked
from tests.repository.documents import page, tables_of
from writegate_writer.errors import Fault

PAGE = page("shared/docs/operate.md")
RULES = ROOT / "deploy/prometheus/writegate.rules.yml"


def test_every_alert_is_a_symptom() -> None:
    alerts = {rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
    [rows] = tables_of(PAGE, "symptom or alert")
    named = set(re.findall(r"`(Writegate\w+)`", " ".join(row[0] for row in rows)))
    assert named <= alerts, f"no such alerts: {sorted(named - alerts)}"
    assert named >= alerts, f"{PAGE.name} says nothing of {sorted(alerts - named)}"


def test_log_events_are_those_of_writers_and_publishers() -> None:
    [rows] = tables_of(PAGE, "symptom or alert")
    events = set(re.findall(r"`([a-z]+\.[a-z_]+)`", " ".join(row[1] for row in rows)))
    events -= {name for name in events if name.startswith("writegate.")}
    source = "\n".join(path.read_text() for path in tracked("services/writer/src/*.py", "shared/src/*.py"))
    by_fault = {f"domain.{fault.value}" for fault in Fault}
    missing = sorted(name for name in events - by_fault if f'"{name}"' not in source)
    assert events
    assert missing == []
