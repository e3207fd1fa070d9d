"""What is done about commands that may end the process: fewer are tried with each death, in the end one. Pure."""

from __future__ import annotations

from writegate.message.receipt import Cause

# A batch shrinks by half with each time it was delivered before; after so many times its commands are applied one by
# one, and each is noted as a suspect before it is applied.
CORNER_DELIVERIES = 10
# After so many deaths of a writer that was applying it alone a suspect is parked.
_MOST_DEATHS = 3
_PAGE_COMMANDS = 500


def page_commands(deaths: int) -> int:
    """Return how many deferred commands are replayed at once after so many deaths of a writer during this pass.

    Pages shrink as batches do, but their deaths are counted in the table of suspects: the broker knows nothing of them.
    """
    return max(1, _PAGE_COMMANDS >> deaths)


def crash_cause(deaths: int) -> Cause | None:
    """Return why a suspect is parked after so many deaths of a writer that applied it alone; None: it is tried."""
    if deaths < _MOST_DEATHS:
        return None
    return Cause("crash", f"the writer died {deaths} times while it applied this command alone")
