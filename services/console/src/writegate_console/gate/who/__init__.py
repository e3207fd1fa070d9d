"""Which batch last wrote a row."""
