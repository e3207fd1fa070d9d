"""Tools for developers: the local stack (``writegate stack``) and new services (``writegate service new``).

A distribution of its own, which no service and no image installs. ``stack`` starts private servers, writers and
services for development and tests; ``scaffold`` writes the folder of a new service. Both run on the main thread.
"""
