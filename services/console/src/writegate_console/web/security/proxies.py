"""What a trusted proxy in front says: who somebody is, from where, and whether he came by https. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from writegate.config import Settings
from writegate_console.users import User

_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who makes a request. ``user``: as the proxy says, None when it says nothing or is none of ours."""

    address: str
    https: bool
    user: User | None


class Proxies:
    """The proxies that are believed. What anybody else writes into such headers is nothing."""

    def __init__(self, settings: Settings) -> None:
        self._networks: list[IPv4Network | IPv6Network] = [
            ip_network(name) for name in settings.console_proxies.split(",") if name
        ]
        self._user_header = settings.console_user_header.lower()
        self._role_header = settings.console_role_header.lower()

    def visitor(self, peer: str, scheme: str, headers: Mapping[str, str]) -> Visitor:
        """Return who it is. ``peer``: the address at the other end of the connection; ``headers`` in lower case."""
        if not self._trusted(peer):
            return Visitor(peer, scheme == "https", None)
        # The last entry is the proxy's own word; what stands before it came from outside.
        forwarded = headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
        https = headers.get("x-forwarded-proto", scheme).strip().lower() == "https"
        name = headers.get(self._user_header, "").strip()
        user = None
        if name and name.isprintable():
            operates = headers.get(self._role_header, "").strip().lower() == "operator"
            user = User(name[:_LONGEST_NAME], "operator" if operates else "reader")
        return Visitor(forwarded or peer, https, user)

    def _trusted(self, peer: str) -> bool:
        try:
            address = ip_address(peer)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._networks)
