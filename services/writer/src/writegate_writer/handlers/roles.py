"""Names of the database roles and of the broker users of services. They are defined here and nowhere else."""

from __future__ import annotations

from writegate.contract.targets import BUILT_IN
from writegate.contract.users import OPERATOR


def user_of(service: str) -> str:
    """Return the broker user that publishes a service's commands."""
    return OPERATOR if service == BUILT_IN else service


def role_of(service: str) -> str:
    """Return the role under which a service's handlers run."""
    return f"writegate_service_{service}"
