"""Messages: a command as a Celery message, its route at the broker, and the receipt that comes back. Pure.

In: commands, or the bytes, headers and properties of a message that anybody may have sent. Out: a message for any AMQP
client, or the commands in it. No broker library is imported, and any thread may call it.
"""
