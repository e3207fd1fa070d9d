"""Contracts: commands, the services that own them, their versions, keys, lanes and ids. Pure.

In: what a team declares. Out: answers about a command (its task name, key, lane, id). Nothing here does I/O, and any
thread may call it. pydantic is the only dependency, so importing another team's contract costs no more than that.
"""
