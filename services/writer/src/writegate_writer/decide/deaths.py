"""Finding a command that ends the process: with each death fewer commands are tried at once, in the end one. Pure."""

from __future__ import annotations

from writegate.message.receipt import Cause

# A batch is half as large with each earlier delivery of its messages. After so many deliveries its commands are applied
# one by one, and each is recorded as a suspect before it is applied.
ALONE_AFTER_DELIVERIES = 10
# A suspect is parked after so many writers ended while they applied it alone.
_MOST_DEATHS = 3
# How many deferred commands are replayed at once when no writer has ended.
_PAGE_COMMANDS = 500


def page_commands(deaths: int) -> int:
    """Return how many deferred commands are replayed at once after so many deaths of a writer during this pass.

    Pages shrink as batches do, but these deaths are counted in the table of suspects: the broker does not count them.
    """
    return max(1, _PAGE_COMMANDS >> deaths)


def crash_cause(deaths: int) -> Cause | None:
    """Return why a suspect is parked after so many deaths of a writer that applied it alone; None: it is tried."""
    if deaths < _MOST_DEATHS:
        return None
    return Cause("crash", f"the writer died {deaths} times while it applied this command alone")
