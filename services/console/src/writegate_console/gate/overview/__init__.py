"""All that the first page shows, read in one go.

In: the database, the settings and the baseline. Out: an :class:`queries.Overview`. ``headline`` and ``services`` are
pure; ``queries`` reads. The page's live thread calls it (see ``web.state.live``).
"""
