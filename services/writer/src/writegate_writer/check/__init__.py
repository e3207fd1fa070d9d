"""``writegate check``: would these contracts break what they will meet?

``released`` compares them with a release that was written down. ``kept`` fetches what is parked, deferred and was
applied of late, and ``decoding`` reads it again as a writer with these contracts would. Nothing is changed anywhere.
"""
