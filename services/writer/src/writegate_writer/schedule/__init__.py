"""Which domain is next: the domains of this process, their inboxes, and the share of domains it holds. Pure.

In: deliveries from the hub thread, domains from the control thread. Out: a domain for one turn to a slot thread, and
the batch that it takes. `ports` are the broker, the publisher and the time as protocols, so that a simulation can run
this code.
"""
