"""``writegate plan`` and ``writegate apply``: what broker and database lack, then make it so.

``desired, actual → diff → changes``: what the services declare and what a server says are plain data, the difference
is a pure function, and a change carries the one request or statement that makes it. Only ``broker``,
``database`` and ``membership`` talk to servers.
Nothing that may hold messages or rows is ever deleted.
"""
