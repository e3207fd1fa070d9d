"""``writegate connections``: who is connected, and who still writes directly."""
