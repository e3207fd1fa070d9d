"""The gate when handlers, triggers and constraints raise any SQLSTATE: for one command, and for a whole type."""
