"""Parked and deferred commands: listed for the terminal, searched for the page, and what people do with many of them.

In: a table (:class:`~writegate.contract.operations.KeptTable`) and a
:class:`~writegate.contract.operations.Selection` of its commands. Out: rows and dataclasses; moves call the operator
they are given. ``fields`` and ``actions`` are pure; ``listing`` and ``search`` ask the database; ``paging`` sends
operations, one a page. Runs on the caller's thread.
"""
