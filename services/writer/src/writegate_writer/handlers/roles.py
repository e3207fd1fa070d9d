"""Names of the database roles and of the broker users. They are defined here and nowhere else."""

from __future__ import annotations

from writegate.contract.targets import BUILT_IN

WRITER = "writegate_writer"  # also the writers' broker user
READER = "writegate_reader"  # also the broker user that reads the management API
OPERATOR = "writegate_operator"  # the broker user by which people publish what they want done, and read that API


def user_of(service: str) -> str:
    """Return the broker user that publishes a service's commands."""
    return OPERATOR if service == BUILT_IN else service


def role_of(service: str) -> str:
    """Return the role under which a service's handlers run."""
    return f"writegate_service_{service}"
