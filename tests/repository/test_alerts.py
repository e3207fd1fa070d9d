"""The alert rules: each has figures at which it fires, and figures at which it does not."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/prometheus"
RULES, TESTS = FOLDER / "writegate.rules.yml", FOLDER / "writegate.rules.test.yml"
GRAFANA = ROOT / "deploy/grafana"


def promtool(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = ["promtool", *map(str, arguments)]
    return subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)


def alerts() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def test_the_example_is_a_configuration() -> None:
    checked = promtool("check", "config", "prometheus.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_they_fire_when_they_should() -> None:
    tested = promtool("test", "rules", TESTS.name)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_a_wrong_rule_is_found(tmp_path: Path) -> None:
    """The negative control."""
    (tmp_path / TESTS.name).write_text(TESTS.read_text())
    (tmp_path / RULES.name).write_text(
        RULES.read_text().replace("min(writegate_standing_by)", "max(writegate_standing_by)")
    )
    tested = promtool("test", "rules", tmp_path / TESTS.name)
    assert tested.returncode != 0
    assert "WritegateAllStandBy" in tested.stdout + tested.stderr


def test_each_is_tested_both_ways_and_says_what_it_means() -> None:
    found: dict[bool, set[str]] = {True: set(), False: set()}
    for test in yaml.safe_load(TESTS.read_text())["tests"]:
        for one in test["promql_expr_test"]:
            [name] = [name for name in alerts() if f'"{name}"' in one["expr"]]
            found[bool(one["exp_samples"])].add(name)
    assert found == {True: set(alerts()), False: set(alerts())}
    for name, rule in alerts().items():
        assert rule["labels"]["severity"] in {"page", "ticket"}, name
        assert rule["annotations"]["summary"], name


def test_grafana_is_told_where_they_are() -> None:
    [provider] = yaml.safe_load((GRAFANA / "provisioning.yml").read_text())["providers"]
    assert provider["type"] == "file"
    [source] = yaml.safe_load((GRAFANA / "datasource.yml").read_text())["datasources"]
    assert source["type"] == "prometheus"
