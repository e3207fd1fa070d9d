"""Parked commands: listed for the terminal, searched for the page, edited, replayed and dropped page by page.

In: a :class:`~writegate.contract.operations.Selection`. Out: rows and dataclasses; moves call the operator they are
given. ``fields`` is pure; ``listing`` and ``search`` ask the database; ``paging`` sends operations, one a page. Runs
on the caller's thread.
"""
