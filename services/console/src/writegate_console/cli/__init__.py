"""The commands that people type. typer is imported only here."""
