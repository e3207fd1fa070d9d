"""Writegate: publish database writes as typed commands; one small pool of writers applies them."""

from writegate.command import Command, contract_of, key_of
from writegate.service import Service

__all__ = ["Command", "Service", "contract_of", "key_of"]
