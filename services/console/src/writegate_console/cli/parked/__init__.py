"""``writegate parked``: parked commands are listed, shown, edited, replayed and dropped.

``app`` puts the subcommands together; ``listing`` reads, ``editing`` and ``moving`` send operations; ``options`` are
the filters that all of them share.
"""
