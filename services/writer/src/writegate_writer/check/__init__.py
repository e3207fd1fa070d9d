"""``writegate check``: would these contracts break what they will meet?

``released`` compares them with the recorded contracts of a release, and ``narrowing`` compares two schemas. ``stored``
reads parked, deferred and recently applied commands from the database, and ``decoding`` decodes them as a writer with
these contracts would. Nothing is changed anywhere.
"""
