"""Reading messages and checking them against their contracts, trusting nothing. Pure; on slot and reader threads.

In: a delivery as the broker gave it (bytes, headers, properties). Out: its parts, each a command that may be applied,
a refusal with its cause, a command of another lane, or a question. Nothing that was sent raises an error here.
"""
