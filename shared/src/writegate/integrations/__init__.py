"""Publishing from web frameworks, from Celery applications, after a local transaction, and from a stream.

In: a request, a session or an iterable of commands. Out: published commands, and HTTP answers. Everything runs on the
thread or event loop of the caller. ``fastapi``, ``flask``, ``django``, ``celery`` and ``sqlalchemy`` each need the
library of that name and are imported only by services that use it; ``requests`` and ``http`` are what the web
frameworks have in common; ``after_commit`` is what the two kinds of local transactions have in common.
"""
