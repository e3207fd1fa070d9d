"""Plain inserts, one row a command."""
