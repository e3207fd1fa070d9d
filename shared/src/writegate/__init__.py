"""Writegate: publish database writes as typed commands; one small pool of writers applies them."""

from writegate.command import Command, contract_of, key_of
from writegate.service import Service
from writegate.upgrading import upgrades

__all__ = ["Command", "Service", "contract_of", "key_of", "upgrades"]
