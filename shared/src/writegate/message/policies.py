"""What policies of the broker do to our queues, beside the arguments that we give them. Pure.

Of a limit that a policy and an argument both set RabbitMQ takes the lower one, of `overflow` the policy's, and of how
to dead-letter the argument's (args_policy_lookup in rabbit_quorum_queue; 3.10.8 was seen to drop the oldest messages of
a queue with `x-overflow=reject-publish`). So an argument makes a queue immune to a length limit alone and to another
dead-letter exchange, and nothing makes it immune to the rest. User policies and operator policies apply together, of
each kind the one with the highest priority.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from writegate.message.topology import exchange_name

QUEUES = frozenset({"all", "queues", "quorum_queues"})
EXCHANGES = frozenset({"all", "exchanges"})


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy as the management API has it."""

    name: str
    pattern: str
    apply_to: str
    priority: int
    definition: Mapping[str, Any] = field(hash=False)

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Self:
        """Return the policy of an entry of ``/api/policies`` or ``/api/operator-policies``."""
        return cls(entry["name"], entry["pattern"], entry["apply-to"], entry["priority"], entry["definition"])

    def matches(self, name: str, kinds: frozenset[str]) -> bool:
        """Whether it may apply to an object; yes too for a pattern that only Erlang understands."""
        try:
            return self.apply_to in kinds and re.search(self.pattern, name) is not None
        except re.error:
            return True


@dataclass(frozen=True, slots=True)
class Harm:
    """What a policy does to the commands of a queue, or of an exchange."""

    policy: str
    target: str
    text: str


def harms(
    policies: Iterable[Iterable[Policy]], queues: Mapping[str, Mapping[str, Any]], exchanges: Iterable[str] = ()
) -> list[Harm]:
    """Return what may be lost. ``policies``: those of each kind; ``queues``: arguments by name."""
    found: list[Harm] = []
    for kind in (list(kind) for kind in policies):
        for queue, arguments in queues.items():
            for policy in _effective(kind, queue, QUEUES):
                found += harms_of_queue(queue, arguments, policy.definition, policy.name)
        for exchange in exchanges:
            for policy in _effective(kind, exchange, EXCHANGES):
                if "alternate-exchange" in policy.definition:
                    text = "commands for a lane without a queue go elsewhere, and are confirmed (alternate-exchange)"
                    found.append(Harm(policy.name, exchange, text))
    return found


def harms_of_listing(queues: Iterable[Mapping[str, Any]]) -> list[Harm]:
    """Return what may be lost, by the entries of ``/api/queues``, for users who may not read the policies themselves.

    The broker has merged them there. It updates that every few seconds.
    """
    return [
        harm
        for queue in queues
        if queue["name"].startswith(exchange_name(""))
        for harm in harms_of_queue(
            queue["name"],
            queue["arguments"],
            queue.get("effective_policy_definition") or {},
            " and ".join(filter(None, (queue.get("policy"), queue.get("operator_policy")))),
        )
    ]


LISTED = "name,arguments,policy,operator_policy,effective_policy_definition"
"""The columns of ``/api/queues`` that :func:`harms_of_listing` reads."""


def harms_of_queue(
    queue: str, arguments: Mapping[str, Any], definition: Mapping[str, Any], policy: str
) -> Iterator[Harm]:
    """Yield what a policy's definition, or the merged one of all, does to a queue with these arguments."""
    dead = "x-dead-letter-exchange" not in arguments
    if "message-ttl" in definition:
        after = f"after {definition['message-ttl'] / 1000:g} s (message-ttl)"
        what = "its messages are dropped" if dead else "commands that wait are taken out and parked"
        yield Harm(policy, queue, f"{what} {after}")
    if "expires" in definition:
        after = f"while nobody consumes it for {definition['expires'] / 1000:g} s (expires)"
        yield Harm(policy, queue, f"it is deleted with all that is in it {after}")
    limit, ours = definition.get("delivery-limit"), arguments.get("x-delivery-limit")
    if isinstance(limit, int) and limit >= 0 and (ours is None or limit < ours):
        what = "dropped" if dead else "parked"
        yield Harm(policy, queue, f"messages are {what} after {limit} lost connections (delivery-limit)")
    overflow = definition.get("overflow", arguments.get("x-overflow"))
    limits = {name for name in ("max-length", "max-length-bytes") if name in definition or f"x-{name}" in arguments}
    if overflow != "reject-publish" and limits:
        yield Harm(policy, queue, f"its oldest messages are dropped when it is full (overflow {overflow or 'not set'})")


def _effective(policies: Iterable[Policy], name: str, kinds: frozenset[str]) -> list[Policy]:
    matching = [policy for policy in policies if policy.matches(name, kinds)]
    highest = max((policy.priority for policy in matching), default=0)
    return [policy for policy in matching if policy.priority == highest]  # of equal ones the broker takes any
