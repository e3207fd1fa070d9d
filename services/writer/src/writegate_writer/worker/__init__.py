"""A writer process: Celery's bootstep, slots, control, watchdog, health and metrics, and how they start and stop.

In: settings and the declared services. Out: threads that work until they are told to end. This is where the parts are
put together; no other package knows it.
"""
