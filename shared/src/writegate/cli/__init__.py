"""The command line ``writegate``.

``main`` finds the sub-commands (entry points, also of other distributions) and imports only the one that is called.
``publish`` and ``contracts`` are the library's own. Only this package imports typer. Each runs on the main thread.
"""
