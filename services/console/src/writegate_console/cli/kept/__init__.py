"""``writegate parked`` and ``writegate deferred``: kept commands are listed, shown and decided about.

``parked`` and ``deferred`` put the subcommands together; ``listing`` reads, ``editing`` and ``moving`` send operations;
``options`` are the filters that all of them share.
"""
