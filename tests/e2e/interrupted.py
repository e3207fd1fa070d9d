"""Two tests that never end by themselves, for ``test_interrupting``: each starts servers and says which they are.

No name that pytest looks for: these run only when they are asked for.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.servers import Servers
from writegate_devkit.stack import orphans

RECORDS = Path(os.environ["INTERRUPTED_RECORDS"])


@pytest.mark.parametrize("number", [1, 2])
def test_endless(servers: Servers, number: int) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    home = servers.stack.home
    pids = [child.pid, *orphans.find(home)]
    partial = RECORDS / f"{number}.partial"
    partial.write_text(json.dumps({"run": os.getpid(), "pids": pids, "directory": str(home.state)}))
    partial.rename(RECORDS / f"{number}.json")
    threading.Event().wait()
