"""What became of one command, and which commands follow from it."""
