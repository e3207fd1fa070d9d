"""The console's colours have enough contrast: WCAG 2.2, 1.4.3 (text) and 1.4.11 (other graphics)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CSS = (Path(__file__).parents[2] / "src/writegate_console/web/static/console.css").read_text()
TEXT, SHAPE = 4.5, 3.0
PAIRS = [
    *(
        (ink, ground, TEXT)
        for ink in ("ink", "soft", "accent", "good", "warn", "bad")
        for ground in ("sheet", "ground")
    ),
    *((name, f"{name}-ground", TEXT) for name in ("accent", "good", "warn", "bad")),
    ("sheet", "accent", TEXT),  # on buttons
    ("second", "sheet", SHAPE),  # a line in a chart
]


def tokens(theme: int) -> dict[str, str]:
    """Return the colours of light (0) or dark (1)."""
    found = re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\);", CSS)
    return {name: colours[theme] for name, *colours in found}


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "ground", "least"), PAIRS)
def test_text_and_ground_differ_enough(theme: int, ink: str, ground: str, least: float) -> None:
    colours = tokens(theme)
    assert contrast(colours[ink], colours[ground]) >= least


def test_contrast_is_measured_as_the_standard_does() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
