"""What the README says of settings and files is what is there."""

from __future__ import annotations

import re
from pathlib import Path

from writegate.config import PREFIX, Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def settings_table() -> str:
    """The table of the README, made from the settings themselves."""
    lines = ["| variable | default | meaning |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default == "" else f"`{field.default}`"
        lines.append(f"| `{PREFIX}{name.upper()}` | {default} | {field.description} |")
    return "\n".join(lines)


def test_settings_table_is_complete() -> None:
    assert settings_table() in README, f"expected this table in README.md:\n{settings_table()}"


def test_every_file_it_links_to_exists() -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)]+)\)", README)
    assert links
    missing = [link for link in links if not (ROOT / link).exists()]
    assert not missing
