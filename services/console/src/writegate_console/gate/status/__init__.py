"""All of a gate in one look."""
