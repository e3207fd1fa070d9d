"""A mix of three command types over five tables that refer to each other."""
