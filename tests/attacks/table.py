"""All attacks, in the order in which they are tried."""

from __future__ import annotations

from tests.attacks.attack import Attack
from tests.attacks.broker_attacks import BROKER_ATTACKS
from tests.attacks.connection_attacks import CONNECTION_ATTACKS
from tests.attacks.http_attacks import HTTP_ATTACKS

ATTACKS: tuple[Attack, ...] = (*BROKER_ATTACKS, *CONNECTION_ATTACKS, *HTTP_ATTACKS)
