"""Which of RabbitMQ's plug-ins a private node sees.

Erlang looks for each of the thousand modules that a node loads in the directory of every plug-in, and Debian installs
seventy. A node that sees only those that it uses starts with three quarters of the CPU time.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path


def link_plugins(installed: Path, enabled: str, to: Path) -> None:
    """Make ``to`` a directory of links to what a node with the ``enabled`` plug-ins (the text of their file) needs.

    ``installed`` has a directory for each plug-in and library of RabbitMQ. The libraries, whose names do not begin
    with ``rabbitmq_``, are all linked; of the plug-ins those that are enabled, and those they need.
    """
    found = {path.name.rpartition("-")[0] or path.name: path for path in installed.iterdir()}
    needed = {name for name in found if not name.startswith("rabbitmq_")}
    waiting = ["rabbit", *_names(enabled)]
    while waiting:
        name = waiting.pop()
        if name in found:
            waiting += _dependencies(found.pop(name), name)
            needed.add(name)
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir(mode=0o700)  # as everything of a stack
    for path in installed.iterdir():
        if (path.name.rpartition("-")[0] or path.name) in needed:
            (to / path.name).symlink_to(path)


def _dependencies(plugin: Path, name: str) -> list[str]:
    """Return what an Erlang application says that it needs: ``{applications, [kernel, stdlib, …]}``."""
    described = plugin / "ebin" / f"{name}.app"
    if not described.exists():
        return []
    listed = re.search(r"\{applications,\s*\[([^\]]*)\]", described.read_text(errors="replace"))
    return _names(listed[1]) if listed else []


def _names(text: str) -> list[str]:
    return re.findall(r"[a-z]\w*", text)
