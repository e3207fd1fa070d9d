"""Logging in with a name and a password, slowed down after failures."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

from writegate_console.users import User
from writegate_console.web.state.shared import SharedState

_IPV6_HOST_BITS = 64  # whoever has one address of a network has all of them


async def try_login(state: SharedState, address: str, name: str, password: str) -> User | float:
    """Return the user; for how many seconds to wait; or 0 when name or password is wrong.

    A failure is counted before the password is checked, so that many attempts at once get no further than one after
    the other. An attempt like one that is under way, as of a program with several connections, waits for its result
    and does not count: who guesses learns nothing more by it.

    Raises :class:`~writegate_console.web.state.passwords.TooManyLogins`.
    """
    network = network_of(address)
    if (seconds := state.throttle.wait_seconds(name, network)) > 0:
        return seconds
    if (under_way := state.passwords.under_way(name, password)) is not None:
        return await under_way or 0.0
    check = state.passwords.check(network, name, password)
    state.throttle.failed(name, network)
    user = await check
    if user is None:
        return 0.0
    state.throttle.succeeded(name, network)
    return user


def network_of(address: str) -> str:
    """Return the address, or the network of 64 bits that one of IPv6 is in."""
    try:
        parsed = ip_address(address)
    except ValueError:  # as a proxy named it
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{IPv6Address(int(parsed) >> _IPV6_HOST_BITS << _IPV6_HOST_BITS)}/{_IPV6_HOST_BITS}"
