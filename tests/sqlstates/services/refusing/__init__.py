"""A service whose table and handlers refuse what they are told to refuse."""
