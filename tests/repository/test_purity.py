"""The packages that decide load no driver at run time, whatever an import contract can see."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "services" / "writer" / "src" / "writegate_writer"
DRIVERS = ["amqp", "celery", "kombu", "pika", "psycopg2", "sqlalchemy"]
# Each module in a process of its own, forked before anything is imported: so what one loads hides nothing of the next.
PROGRAM = """
import importlib, json, os, sys
modules, drivers = json.loads(sys.argv[1])
failed = False
for module in modules:
    if (child := os.fork()) == 0:
        importlib.import_module(module)
        loaded = [driver for driver in drivers if driver in sys.modules]
        print(f"{module} loads {', '.join(loaded)}" if loaded else "", end="", flush=True)
        os._exit(bool(loaded))
    failed |= os.waitpid(child, 0)[1] != 0
sys.exit(failed)
"""


@pytest.mark.parametrize("package", ["receive", "decide", "schedule", "apply"])
def test_no_module_of_a_pure_package_loads_a_driver(package: str) -> None:
    modules = [f"writegate_writer.{package}"]
    modules += [f"{modules[0]}.{path.stem}" for path in sorted((SOURCE / package).glob("*.py")) if path.stem[0] != "_"]
    arguments = [sys.executable, "-c", PROGRAM, json.dumps([modules, DRIVERS])]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"import what it needs from a pure module: {done.stdout}{done.stderr}"
