"""Logging in with a name and a password, slowed down after failures."""

from __future__ import annotations

from writegate_console.users import User
from writegate_console.web.state.shared import SharedState

_MAX_KEY_CHARACTERS = 200


def try_login(state: SharedState, address: str, name: str, password: str) -> User | float:
    """Return the user; for how many seconds to wait; or 0 when name or password is wrong.

    A failure is counted before the password is checked, so that many attempts at once get no further than one after
    the other.
    """
    keys = (f"user {name[:_MAX_KEY_CHARACTERS]}", f"address {address}")
    if (seconds := state.throttle.wait_seconds(keys)) > 0:
        return seconds
    state.throttle.failed(keys)
    user = state.users.check(name, password)
    if user is None:
        return 0.0
    state.throttle.succeeded(keys)
    return user
