"""A service with a column of every type: see ``tests/values``."""
