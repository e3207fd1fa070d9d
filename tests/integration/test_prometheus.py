"""A Prometheus as Debian has it asks a real writer, evaluates the rules that are delivered, and reads the dashboard."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client import Metric

from tests.deadlines import patient
from tests.integration.gate import Gate, gate_running
from tests.servers import Servers
from tests.services.trial.contract import Run
from writegate_devkit.stack.ports import choose

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana/writegate.json").read_text())
CONFIGURATION = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
RULES = yaml.safe_load((DEPLOY / "prometheus/writegate.rules.yml").read_text())
EXPRESSIONS = [rule["expr"] for group in RULES["groups"] for rule in group["rules"]]
PANELS = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def gate(servers: Servers) -> Iterator[Gate]:
    with gate_running(servers, "gate_prometheus", WRITEGATE_TELEMETRY="prometheus") as running:
        running.writers.start(altered="samples_often")
        yield running
        running.assert_drained()


@pytest.fixture(scope="module")
def prometheus(gate: Gate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """It runs as the example has it, but that it asks the one writer, every second, and its alerts do not wait."""
    directory = tmp_path_factory.mktemp("prometheus")
    pace = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    job = CONFIGURATION["scrape_configs"][0] | {"static_configs": [{"targets": [gate.writers["writer-1"].address]}]}
    rules = {"groups": [{"name": "all", "rules": [rule | {"for": "0s"} for rule in RULES["groups"][0]["rules"]]}]}
    [rule_file] = CONFIGURATION["rule_files"]
    (directory / rule_file).write_text(yaml.safe_dump(rules))
    (directory / "prometheus.yml").write_text(yaml.safe_dump(CONFIGURATION | {"global": pace, "scrape_configs": [job]}))
    address = f"127.0.0.1:{choose(('prometheus',), {})['prometheus']}"
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            ["prometheus", f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/data",
             f"--web.listen-address={address}"],
            stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    transport = httpx.HTTPTransport(retries=0)
    try:
        with httpx.Client(base_url=f"http://{address}/api/v1", transport=transport, timeout=patient(20)) as client:
            gate.wait(lambda: answers(client), (directory / "log").read_text())
            yield client
    finally:
        process.terminate()
        process.wait(patient(60))


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/status/runtimeinfo").is_success
    except httpx.TransportError:
        return False


def asked(client: httpx.Client, path: str, **parameters: str) -> Any:
    answer = client.get(path, params=parameters)
    assert answer.is_success, answer.text
    return answer.json()["data"]


def firing(client: httpx.Client) -> set[tuple[str, str]]:
    """Return the alerts that fire, each with what it is about, if that is a command type."""
    alerts = asked(client, "/alerts")["alerts"]
    return {(one["labels"]["alertname"], one["labels"].get("task", "")) for one in alerts if one["state"] == "firing"}


def test_a_writer_is_asked_and_nothing_is_wrong(gate: Gate, prometheus: httpx.Client) -> None:
    def up() -> bool:
        return [one["health"] for one in asked(prometheus, "/targets")["activeTargets"]] == ["up"]

    gate.wait(up, "the writer is asked")
    known = "writegate_sample_timestamp_seconds"
    gate.wait(lambda: bool(asked(prometheus, "/query", query=known)["result"]), "a sample is known")
    gate.wait(lambda: firing(prometheus) == set(), "no alert fires")
    failed = [rule for rule in asked(prometheus, "/rules")["groups"][0]["rules"] if rule["health"] != "ok"]
    assert failed == []


def test_every_expression_of_the_dashboard_is_one(prometheus: httpx.Client) -> None:
    for expression in PANELS:
        asked(prometheus, "/query", query=expression)
    with pytest.raises(AssertionError, match="parse error"):
        asked(prometheus, "/query", query=PANELS[0] + ")")
    assert asked(prometheus, "/query", query="max(writegate_writer_connections)")["result"][0]["value"][1] == "3"


def test_an_alert_fires_when_a_type_is_held_and_ends_when_it_is_not(gate: Gate, prometheus: httpx.Client) -> None:
    alert = ("WritegateTypeHeld", "trial.run")
    # One alone might be wrong itself: it waits, and its type goes on.
    gate.broker.publish([Run(account=f"held {number}", name="of no script") for number in range(2)])
    gate.wait(lambda: alert in firing(prometheus), "the alert fires")
    gate.database.sql("INSERT INTO trial.script VALUES ('of no script', 'SELECT 1')")
    gate.wait(lambda: alert not in firing(prometheus), "the alert ends")


def names_in(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:writegate|process)_\w+", expression))


def names_of(metric: Metric) -> set[str]:
    return {metric.name + suffix for suffix in SUFFIXES.get(metric.type, ("",))}


def test_rules_and_dashboard_name_what_a_writer_tells(gate: Gate) -> None:
    told = {name for metric in gate.writers["writer-1"].metrics() for name in names_of(metric)}
    named = {name for expression in [*EXPRESSIONS, *PANELS] for name in names_in(expression)}
    assert len(named) > 30
    assert named - told == set()
    # The negative control.
    assert names_in("rate(writegate_decided_commands[5m])") - told == {"writegate_decided_commands"}


def test_an_alert_fires_when_the_writer_is_gone(gate: Gate, prometheus: httpx.Client) -> None:
    gate.writers.stop()
    gone = {("WritegateNoWriter", ""), ("WritegateWriterDown", "")}
    gate.wait(lambda: gone <= firing(prometheus), "the alerts fire")
