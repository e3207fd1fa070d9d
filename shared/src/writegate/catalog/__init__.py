"""The contracts that are installed in this environment.

``installed`` finds them, ``find`` returns the command of a name that a person typed, ``description`` and ``asyncapi``
write them as JSON for people and for programs in other languages. Runs on the caller's thread; nothing is cached.
"""

from writegate.catalog.installed import installed_services

__all__ = ["installed_services"]
