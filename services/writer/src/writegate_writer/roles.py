"""Names of the database roles and of the broker users beside the services': here, and nowhere else."""

from __future__ import annotations

WRITER = "writegate_writer"  # also the writers' broker user
READER = "writegate_reader"  # also the broker user that reads the management API


def role_of(service: str) -> str:
    """Return the role under which a service's handlers run."""
    return f"writegate_service_{service}"
