"""Attacks through the broker, by a service that may publish to its own exchange."""

from __future__ import annotations

from typing import Final

from tests.attacks.attack import Attack
from tests.attacks.target import Target
from tests.services.trial.contract import Deposit
from writegate.message.envelope import encode, item_of


def good_commands(target: Target) -> str:
    """What everybody may send, as often as an attack sends something: the measurement itself is not the harm."""
    with target.attacker() as attacker:
        for seq in range(200):
            attacker.send(encode(item_of(Deposit(account="good", seq=seq))), "good")
    target.gate.database.wait_entries("good", 200)
    return "200 applied"


BROKER_ATTACKS: Final = (Attack("200 good commands", good_commands),)
