"""Ports on the loopback address: free ones are chosen and remembered, and replaced when another program took one."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Iterable, Mapping

from writegate_devkit.stack.errors import StackError

# Below the range Linux takes outgoing connections' ports from: one of those could sit on our port while a
# server restarts.
CANDIDATES = range(18_000, 32_000)
ATTEMPTS = 1_000


def is_free(port: int) -> bool:
    """Whether nobody listens on ``port`` of the loopback address."""
    with socket.socket() as probe:
        # As servers do: connections of a former one that are still closing are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def choose(
    names: Iterable[str],
    remembered: Mapping[str, int],
    *,
    free: Callable[[int], bool] = is_free,
    draw: random.Random | None = None,
) -> dict[str, int]:
    """Return a port for each of ``names``: the remembered one if it is free, else another; no two the same.

    Raises :class:`StackError` when no free port is found.
    """
    draw = draw or random.SystemRandom()
    chosen: dict[str, int] = {}
    for name in names:
        before = remembered.get(name)
        candidates = [before] if before else []
        candidates += draw.sample(CANDIDATES, ATTEMPTS)
        taken = {*chosen.values(), *(port for other, port in remembered.items() if other != name)}
        chosen[name] = next((port for port in candidates if port not in taken and free(port)), 0)
        if not chosen[name]:
            raise StackError(
                f"no free port for {name} between {CANDIDATES.start} and {CANDIDATES.stop}: stop what listens there"
            )
    return chosen
