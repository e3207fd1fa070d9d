"""What may be asked of the services installed here: `installed` finds it, `described` and `asyncapi` write it down."""

from writegate.contracts.installed import installed_services

__all__ = ["installed_services"]
