"""The console: a page that shows a gate and lets operators act on it, and the same as JSON.

In: HTTP requests. Out: pages, JSON, server-sent events, and operations for the writer. From the bottom up: ``state`` is
what all requests share, ``security`` says who makes a request and what they may do, ``views`` turns data into HTML,
``routes`` are the pages and the API, ``application`` puts them together, ``app`` is what an ASGI server loads.

Threads: routes run on the server's thread pool, event streams on its event loop; one thread reads the overview for all
open pages, and each replay or drop has a thread of its own.
"""
