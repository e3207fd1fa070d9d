"""A URL that cannot be meant is one line of every program, before anything connects, and shows no password."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deadlines import patient

CHECKOUT = Path(__file__).parents[2]
RIGHT = {
    "WRITEGATE_BROKER_URL": "amqp://u:secret-word@127.0.0.1:1/",
    "WRITEGATE_BROKER_API_URL": "http://u:secret-word@127.0.0.1:1",
    "WRITEGATE_DATABASE_URL": "postgresql://u:secret-word@127.0.0.1:1/d",
}


@pytest.mark.parametrize(
    ("program", "name", "url", "said"),
    [
        ("celery -A writegate_writer.app worker", "BROKER_URL", "amqp://u:secret-word@h /", "there is a space"),
        ("writegate status", "DATABASE_URL", "postgresql://u:secret-word%zz@h/d", "write % as %25"),
        ("writegate plan", "BROKER_API_URL", "http://u:secret-word@h..example", "port or host cannot be read"),
        ("writegate console", "DATABASE_URL", "postgresql://u:secret-word@h/d?sslmode=odd", "sslmode=odd: correct it"),
    ],
)
def test_a_wrong_url_is_one_line(program: str, name: str, url: str, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *program.split()],
        env={**os.environ, **RIGHT, f"WRITEGATE_{name}": url}, cwd=CHECKOUT, capture_output=True, text=True,
        check=False, timeout=patient(60),
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    [line] = done.stderr.splitlines()
    assert name in line
    assert said in line
    assert "secret-word" not in line
