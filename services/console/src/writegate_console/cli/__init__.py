"""The commands of the terminal, such as `writegate status`, `trace`, `hold` and `parked`.

In: arguments and options. Out: tables for people or JSON for programs, and an exit code. Typer is known only here. Each
command runs on the main thread; ``output`` and ``options`` hold what several of them share.
"""
