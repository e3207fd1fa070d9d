"""What requests share: the newest overview, running jobs, sessions, failed log-ins and recently read metrics.

In: the settings and a way to send operations. Out: a :class:`shared.SharedState`. The classes are for any number of
threads, and each says which lock guards what; those that count waiting log-ins and open event streams are for the event
loop's thread only. Nothing here knows FastAPI, except that ``shared`` finds the state of a request.
"""
