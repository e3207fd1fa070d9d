"""``writegate who``: which batch last wrote a row."""
