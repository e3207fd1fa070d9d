"""Commands that were rejected for good: found, read, replayed and dropped."""
