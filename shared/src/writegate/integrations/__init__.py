"""What services need that use a web framework, or keep a database of their own. Each is imported by its users only."""
