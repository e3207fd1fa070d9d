"""A turn at a domain: take a batch, decide it in a transaction, publish what follows. Pure; on slot threads.

In: a domain and a store. Out: committed transactions, acknowledgements, receipts and emitted commands. A turn asks
`decide` what to try and tries it; nothing in `decide` calls back.
"""
