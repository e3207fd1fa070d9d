"""What becomes of each command: applied, parked, deferred, or a duplicate. Pure; on slot threads.

In: the parts of a batch and what the open transaction found (`store` is that as a protocol). Out: what to apply and in
which runs, what to write down, and after a failure what to try next. It never waits, writes or sends.
"""
