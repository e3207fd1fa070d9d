"""What a trusted proxy says about a request: its user, address and scheme. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from writegate.config import Settings
from writegate_console.users import User

_MAX_NAME_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Visitor:
    """Where a request comes from. ``user``: as a trusted proxy names them, None when none does."""

    address: str
    https: bool
    user: User | None


class Proxies:
    """The proxies that are trusted. From anybody else the headers of a proxy are ignored."""

    def __init__(self, settings: Settings) -> None:
        self._networks: list[IPv4Network | IPv6Network] = [
            ip_network(name) for name in settings.console_proxies.split(",") if name
        ]
        self._user_header = settings.console_user_header.lower()
        self._role_header = settings.console_role_header.lower()

    def visitor(self, peer: str, scheme: str, headers: Mapping[str, str]) -> Visitor:
        """Return where a request comes from. ``peer``: the connected address; ``headers``: by lower-case name."""
        if not self._trusted(peer):
            return Visitor(peer, scheme == "https", None)
        # The proxy itself appends the last entry; the entries before it came from outside.
        forwarded = headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
        https = headers.get("x-forwarded-proto", scheme).strip().lower() == "https"
        name = headers.get(self._user_header, "").strip()
        user = None
        if name and name.isprintable():
            operates = headers.get(self._role_header, "").strip().lower() == "operator"
            user = User(name[:_MAX_NAME_CHARACTERS], "operator" if operates else "reader")
        return Visitor(forwarded or peer, https, user)

    def _trusted(self, peer: str) -> bool:
        try:
            address = ip_address(peer)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._networks)
