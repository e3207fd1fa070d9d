"""``writegate hold`` and ``writegate release``."""
