"""A service whose keys own their rows, for tests of the writer: each of its lanes is a domain."""
