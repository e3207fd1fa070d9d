"""A service that comes to share a table with `trial`, and parts from it again: PARTNER_SHARES=1 says that it does."""
