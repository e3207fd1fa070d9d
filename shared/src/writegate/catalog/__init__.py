"""What may be asked of the services installed here: `installed` finds it, `described` and `asyncapi` write it down."""

from writegate.catalog.installed import installed_services

__all__ = ["installed_services"]
