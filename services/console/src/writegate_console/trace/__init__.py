"""``writegate trace``: what became of one command."""
