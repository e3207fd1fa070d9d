"""Which batch last wrote a row.

In: a table and the values of a primary key. Out: a :class:`row_author.RowAuthor`. ``row_author`` is pure, ``queries``
asks the database. Runs on the caller's thread.
"""
