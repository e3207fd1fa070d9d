"""What people see of a running gate, and how they act on it.

``gate`` asks the database and the broker, and sends operations; ``cli`` are the commands of a terminal; ``web`` is the
page with its API; ``users`` is the file of those who may log in to the page.
"""
