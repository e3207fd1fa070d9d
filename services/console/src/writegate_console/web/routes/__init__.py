"""The pages and the API: one router a file, put together by ``web.application``.

In: requests. Out: pages, redirects, JSON, server-sent events. ``pages``, ``actions``, ``drains`` and ``login`` answer
with HTML, ``events`` with what changes on an open page, ``api`` with JSON, ``probes`` to health checks.
"""
