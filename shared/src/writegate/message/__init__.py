"""What travels: a command as a Celery message, its route, and the receipt that comes back. Pure."""
