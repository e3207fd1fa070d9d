"""What `make setup` uninstalls: a service that somebody has installed from elsewhere is not among it."""

from __future__ import annotations

import json
import runpy
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

import pytest

from tests.checkout import ROOT

INSTALLED = runpy.run_path(str(ROOT / "deploy/installed.py"))
LOCKED = "celery==5.7.0 \\\n    --hash=sha256:0\npika==1.4.4 ; python_version > '3' \\\n    --hash=sha256:1\n"
SERVICE = "[writegate.services]\nx = x.writes:writes\n"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    made = tmp_path / "site-packages"
    made.mkdir()
    return made


def installed(site: Path, name: str, *requires: str, source: Path | None = None, points: str = "") -> None:
    info = site / f"{name.replace('-', '_')}-1.dist-info"
    info.mkdir()
    needs = "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n{needs}")
    (info / "entry_points.txt").write_text(points)
    if source is not None:
        (info / "direct_url.json").write_text(json.dumps({"url": source.as_uri(), "dir_info": {"editable": True}}))


def verdicts(site: Path, checkout: Path = ROOT) -> list[str]:
    found: dict[str, Any] = {INSTALLED["canonical"](one.name): one for one in Distribution.discover(path=[str(site)])}
    return list(INSTALLED["verdicts"](LOCKED, checkout, found))


def test_what_is_locked_and_the_workspace_stay_and_the_rest_goes(site: Path) -> None:
    installed(site, "celery", "kombu")
    installed(site, "kombu")  # needed by what is locked, but not locked: the lock file is complete
    installed(site, "Flights", source=ROOT / "services/flights", points=SERVICE)
    installed(site, "left_over")
    assert verdicts(site) == ["remove kombu", "remove left-over"]


def test_a_service_from_elsewhere_stays_with_all_that_it_needs(site: Path, tmp_path: Path) -> None:
    installed(site, "invoices", "billing_lib>=2", "rates[fast]; extra == 'app'", source=tmp_path / "i", points=SERVICE)
    installed(site, "billing-lib", "numbers")
    installed(site, "rates")
    installed(site, "numbers")
    installed(site, "from-an-index", points=SERVICE)
    installed(site, "left-over")
    assert verdicts(site) == ["keep from-an-index", "keep invoices", "remove left-over"]


def test_a_service_whose_folder_was_here_once_goes(site: Path) -> None:
    installed(site, "former", source=ROOT / "services/former", points=SERVICE)
    assert verdicts(site) == ["remove former"]


def test_the_set_up_asks_it() -> None:
    """A sync would uninstall them all, whatever it says."""
    script = (ROOT / "deploy/setup").read_text()
    assert "deploy/installed.py" in script
    assert 'pip sync --quiet --require-hashes "$requirements"' not in script
