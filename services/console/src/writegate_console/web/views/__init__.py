"""From data to what people read: models for pages and API, forms and filters, charts, words, HTML.

In: rows and dataclasses of the gate, and what browsers send. Out: values for templates and for the API, and rendered
pages. ``chart``, ``edits``, ``effects``, ``filters`` and ``format`` are pure; ``charts`` and ``models`` read. Runs on
the thread of the request.
"""
