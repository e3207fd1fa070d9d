"""A certificate authority of a test's own, and certificates of it."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

_CONFIGURATION = """
[req]
distinguished_name = name
prompt = no
[name]
CN = {name}
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
subjectAltName = {kind}:{name}
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key, in files that every user may read: servers of tests run as users of their own."""

    file: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        """Return what a server of Python's needs to show it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, self.key)
        return context


class Authority:
    """Signs certificates. Its own is the one that clients are to trust."""

    def __init__(self, directory: Path, name: str = "authority") -> None:
        self._directory = directory
        self.own = self._make(name, "authority", "DNS")

    def certificate(self, name: str, kind: str = "DNS") -> Certificate:
        """Return a certificate for a host. ``kind``: of its name, ``DNS`` or ``IP``."""
        return self._make(name, "server", kind, "-CA", str(self.own.file), "-CAkey", str(self.own.key))

    def _make(self, name: str, extensions: str, kind: str, *signing: str) -> Certificate:
        made = Certificate(self._directory / f"{name}.pem", self._directory / f"{name}.key")
        configuration = self._directory / f"{name}.cnf"
        configuration.write_text(_CONFIGURATION.format(name=name, kind=kind))
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-days", "2", "-noenc"),
                *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
                *("-config", str(configuration), "-extensions", extensions),
                *("-out", str(made.file), "-keyout", str(made.key), *signing),
            ],
            capture_output=True,
            check=True,
        )
        for file in (made.file, made.key):
            file.chmod(0o644)
        return made
