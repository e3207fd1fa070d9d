"""What a connection is called at the database and at the broker: the program, who runs it, the host and the process.

``pg_stat_activity`` and the broker's list of connections then say who each connection belongs to.
"""

from __future__ import annotations

import getpass
import os
import socket
import sys
from pathlib import Path

MOST_CHARACTERS = 63  # PostgreSQL cuts off the rest, and with it the process (NAMEDATALEN)
_CUT = ".."


def login_name() -> str:
    """Return the name of the user who runs this process, their number where it has no name, as in many containers."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid-{os.getuid()}"


def session_name(program: str, process: str | None = None) -> str:
    """Return the name of a connection that ``program`` opens.

    ``process``: who runs it and where, as ``name@host/pid``; by default this process. Where both do not fit, the middle
    of the host is left out: the number of the process stays.
    """
    process = process or f"{login_name()}@{socket.gethostname()}/{os.getpid()}"
    text = f"{program} {process}".encode("ascii", "replace").decode()  # the server would replace what is not ASCII, too
    if len(text) <= MOST_CHARACTERS:
        return text
    end = text[text.rindex("/") :]
    return text[: MOST_CHARACTERS - len(end) - len(_CUT)] + _CUT + end


def command_name() -> str:
    """Return how this program was called: ``writegate plan``, or its own name."""
    name = Path(sys.argv[0]).name
    words = sys.argv[1:2] if name in {"writegate", "__main__.py"} else []
    return " ".join(["writegate", *(word for word in words if not word.startswith("-"))])
