"""In which order the tests of a run begin, and which of them share a process when they run in several."""

from __future__ import annotations

from pathlib import Path

from xdist.scheduler import LoadFileScheduling

CHECKOUT = Path(__file__).parents[1]
# Files whose tests want the bare servers. The processes that get a group start a pair of them, and the others none:
# a pair costs 5 s of CPU.
ON_BARE_SERVERS = {
    f"tests/integration/test_{name}.py": group
    for group, names in {
        "apply": ("apply", "apply_bindings", "apply_migrations", "rights"),
        "after apply": ("broker_policies", "membership", "service_removal", "writer_settings"),
    }.items()
    for name in names
}
# Begin with what takes long, so that none of it runs alone in the end; unit tests fill the last gaps.
_LONGEST_FIRST = (
    "tests/e2e", *ON_BARE_SERVERS, "tests/sqlstates", "tests/attacks", "tests/values", "tests/twin", "tests/faults",
    "tests/repository", "tests/simulation", "tests/integration", "tests/conformance",
)  # fmt: skip


def rank(file: Path) -> int:
    """Return the place of a test's file in the order of a run."""
    path = file.relative_to(CHECKOUT)
    return next((rank for rank, begin in enumerate(_LONGEST_FIRST) if path.is_relative_to(begin)), len(_LONGEST_FIRST))


def scope(nodeid: str) -> str:
    """Return what tests have in common that run in the same process: their file, or the group that it belongs to."""
    file = nodeid.partition("::")[0]
    return ON_BARE_SERVERS.get(file, file)


class Scheduling(LoadFileScheduling):  # type: ignore[misc]  # published without types
    """Gives each scope to one process."""

    def _split_scope(self, nodeid: str) -> str:
        return scope(nodeid)
