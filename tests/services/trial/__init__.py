"""A service for tests of the writer: each command does one thing that a writer must cope with."""
