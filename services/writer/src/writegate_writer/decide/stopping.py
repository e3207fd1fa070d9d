"""Why a domain is stopped, for people: the cause, the command if one is known, what to do. Pure."""

from __future__ import annotations

from typing import Final

from writegate_writer.errors import DatabaseFault, Fault, HandlerFault

_DO_OUTAGE: Final = "look at the server, its log and its disks"
_DO: Final = {
    Fault.CONFLICT: "see who holds locks (writegate connections)",
    Fault.OUTAGE: _DO_OUTAGE,
    Fault.DEPLOYMENT: "see what the database lacks (writegate plan)",
}
_NOTHING_LOST: Final = "nothing is parked for it, and what waits is tried again by itself"


def stop_cause(error: Exception) -> str:
    """Return what `writegate status` and the console show of a domain that an error stops."""
    if isinstance(error, DatabaseFault):
        command = f", such as command {error.command}" if error.command is not None else ""
        of = f" ({error.task}{command})" if error.task is not None else ""
        return f"{error.sqlstate}: {error}{of}; {_DO.get(error.fault, _DO_OUTAGE)}; {_NOTHING_LOST}"
    if isinstance(error, HandlerFault):
        return f"{error}; correct its handler; {_NOTHING_LOST}"
    return f"{error!r}; see the writer's log; {_NOTHING_LOST}"
