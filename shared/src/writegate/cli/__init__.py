"""The command ``writegate``: `main` finds the sub-command and imports that one alone. typer is imported only here."""
