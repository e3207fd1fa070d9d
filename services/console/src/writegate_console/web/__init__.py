"""The console: a page that shows a gate and lets operators act on it, and the same as JSON.

``reader`` is its only connection, ``live`` looks at the gate for all open tabs at once, ``users``, ``sessions``,
``throttle`` and ``proxies`` say who somebody is, ``acting`` does what operators ask for. ``routes`` are the pages and
the API; ``application`` puts them together.
"""
