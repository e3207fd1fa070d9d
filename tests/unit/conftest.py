"""Settings of the property tests."""

from __future__ import annotations

from hypothesis import settings

# Other tests share the machine: how long one example takes says nothing.
settings.register_profile("writegate", deadline=None, print_blob=True)
settings.load_profile("writegate")
