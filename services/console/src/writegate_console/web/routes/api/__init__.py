"""The same as JSON, under /api/v1.

In: queries and JSON bodies, which ``models`` checks. Out: the dataclasses that the pages show as well. ``reading``
changes nothing; ``acting`` sends operations.
"""
