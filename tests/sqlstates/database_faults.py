"""The database's own faults, while commands go on coming. None of them is a command's."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from tests.integration.gate import WRITER, Gate

_SECONDS: Final = 3.0
_FILL: Final = """
CREATE FUNCTION public.fill() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER fill BEFORE INSERT ON refusing.entry EXECUTE FUNCTION public.fill();
"""
Go = Callable[[], None]  # publishes some commands


def restart(gate: Gate, go_on: Go) -> None:
    """Restart the server."""
    gate.servers.stack.restart("postgres")
    gate.database.reconnect()
    go_on()


def read_only(gate: Gate, go_on: Go) -> None:
    """Take no writes for a while."""
    for setting in ("on", "off"):
        gate.database.sql("SET default_transaction_read_only = off")  # this session must go on to write
        gate.database.sql(f"ALTER SYSTEM SET default_transaction_read_only = {setting}")
        gate.database.sql("SELECT pg_reload_conf()")
        _for_a_while(go_on)


def fill_disk(gate: Gate, go_on: Go) -> None:
    """No disk is filled: a trigger on the table of all types raises what the server raises then."""
    gate.database.sql(_FILL)
    _for_a_while(go_on)
    gate.database.sql("DROP FUNCTION public.fill() CASCADE")


def cancel(gate: Gate, go_on: Go) -> None:
    """Cancel whatever the writer runs, again and again."""

    def cancel_and_go_on() -> None:
        for _ in range(20):
            gate.database.sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE usename = %s", [WRITER])
        go_on()

    _for_a_while(cancel_and_go_on)


def _for_a_while(do: Go) -> None:
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        do()


FAULTS: Final[Mapping[str, Callable[[Gate, Go], None]]] = {
    "down": restart,
    "read-only": read_only,
    "full disk": fill_disk,
    "cancelled": cancel,
}
