"""``writegate status``: all of a gate on one screen."""
