"""What may be asked for: commands, the services that own them, their versions, keys, lanes and ids. Pure.

It imports pydantic and nothing else: this is all that a contract of another team costs.
"""
