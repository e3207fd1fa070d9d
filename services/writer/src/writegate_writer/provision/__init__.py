"""``writegate plan`` and ``writegate apply``: find what broker and database lack, and create it.

``desired, actual → diff → changes``: what the services declare and what a server has are plain data, their difference
is a pure function, and each change carries the one request or statement that makes it. Only ``broker``, ``database``,
``membership``, ``lane_queues`` and ``domain_takeover`` talk to servers; ``switch`` orders what they do.
Nothing that may hold messages or rows is ever deleted.
"""
