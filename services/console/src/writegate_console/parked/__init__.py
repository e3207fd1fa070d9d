"""``writegate parked``: commands that were rejected for good, and what people do about them."""
