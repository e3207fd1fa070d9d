"""Waiting until what was accepted before is finished, or until nothing that a hold stops is being applied any more.

In: a target as it was typed. Out: how many messages or commands remain, by what they wait for. ``progress`` is pure,
``queries`` asks the database and the broker, ``drain`` puts both together. Runs on the caller's thread.
"""
