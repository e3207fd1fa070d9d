"""Who makes a request, what they may do, and whether a page of another site sent it.

In: requests. Out: an :class:`identity.Viewer`, or a refusal. ``proxies`` is pure; ``csrf`` and ``basic`` read a
request; ``login`` checks passwords; ``identity`` holds the dependencies that routes name; ``headers`` adds to answers.
"""
