"""What requests share: the newest overview, running jobs, sessions, failed log-ins and recently read metrics.

In: the settings and a way to send operations. Out: a :class:`shared.SharedState`. Every class here is for any number of
threads; each says which lock guards what. Nothing here knows FastAPI, except that ``shared`` finds the state of a
request.
"""
