"""Every question to the database and to the broker, and every operation that is sent. No typer, no FastAPI."""
