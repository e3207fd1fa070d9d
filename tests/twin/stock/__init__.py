"""A service for the twin: every ready-made handler, handlers of its own, and every way to be refused."""
