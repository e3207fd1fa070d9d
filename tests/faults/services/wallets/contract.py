"""What may be asked of the wallets."""

from __future__ import annotations

from writegate import Command, Service


class Deposit(Command, key="wallet"):
    """Put cents into a wallet. ``seq`` counts the commands of a wallet."""

    wallet: str
    seq: int
    cents: int


class Withdraw(Command, key="wallet"):
    """Take cents out of a wallet, if it has as many."""

    wallet: str
    seq: int
    cents: int


wallets = Service("wallets", commands=[Deposit, Withdraw], lanes=8, keys_own_rows=True)
