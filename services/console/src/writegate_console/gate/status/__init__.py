"""What `writegate status` shows: lanes and their depths, rates, holds, what is parked and deferred, the budget.

In: the database and the settings. Out: a :class:`model.GateStatus`. ``model`` is pure, ``queries`` asks the database,
``depths`` the broker. Runs on the caller's thread.
"""
