"""Every question to the database and the broker, and every operation that is sent. No typer, no FastAPI.

In: settings, and what a person typed (a target, an id, a selection). Out: frozen dataclasses for the command line and
the page to show. Everything runs on the caller's thread and blocks it; only :class:`reader.Reader` and
:class:`operate.Operator` may be shared between threads.

``database``, ``reader`` and ``broker`` are the edges; ``operate`` sends operations. The other modules each hold the
queries of one subject; those with several files keep pure code apart from ``queries``.
"""
