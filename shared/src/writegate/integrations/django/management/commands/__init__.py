"""The commands that the application adds to ``manage.py``."""
