"""`writegate check` in a pipeline that compares with the file that it records: the first run has none yet."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.deadlines import patient


def check(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "writegate", "check", "--no-kept", *map(str, arguments)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WRITEGATE_")}
    return subprocess.run(line, env=environment, capture_output=True, text=True, check=False, timeout=patient(60))


def test_the_first_run_records_and_the_next_one_compares(tmp_path: Path) -> None:
    file = tmp_path / "contracts" / "released.json"  # its folder is as new as the file
    both = ("--released", file, "--record", file)
    first = check(*both)
    assert (first.returncode, first.stderr) == (0, ""), first.stderr
    assert f"there is no {file} yet" in first.stdout
    recorded = json.loads(file.read_text())
    assert {"fleet", "flights", "weather"} <= {service["name"] for service in recorded["services"]}
    again = check(*both, "--json")
    assert (again.returncode, json.loads(again.stdout)["compared"]) == (0, True)
    next(service for service in recorded["services"] if service["name"] == "weather")["commands"][0]["task"] += "_gone"
    file.write_text(json.dumps(recorded))
    assert check(*both).returncode == 2
    assert json.loads(file.read_text()) == recorded, "what would break is not recorded"


def test_a_release_that_is_not_there_is_an_error_unless_it_is_to_be_recorded(tmp_path: Path) -> None:
    done = check("--released", tmp_path / "mistyped.json")
    assert done.returncode == 1
    assert f"write it with `writegate check --record {tmp_path / 'mistyped.json'}` first" in done.stderr


def test_a_release_that_cannot_be_read_is_not_recorded_over(tmp_path: Path) -> None:
    file = tmp_path / "released.json"
    file.write_text("{")
    done = check("--released", file, "--record", file)
    assert (done.returncode, "cannot read" in done.stderr, file.read_text()) == (1, True, "{")
