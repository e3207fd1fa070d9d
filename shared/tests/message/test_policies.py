"""Which policies of a broker can lose commands."""

from __future__ import annotations

from typing import Any

import pytest

from writegate import Service
from writegate.message.policies import Policy, harms, harms_of_listing
from writegate.message.topology import topology_of

QUEUES = {queue.name: queue.arguments for queue in topology_of(Service("guarded", commands=[])).queues}
LANE, DEAD = QUEUES


def policy(pattern: str = ".*", apply_to: str = "queues", priority: int = 0, name: str = "p", **keys: Any) -> Policy:
    definition = {key.replace("_", "-"): value for key, value in keys.items()}
    return Policy(name, pattern, apply_to, priority, definition)


def targets(*policies: Policy) -> set[str]:
    return {harm.target for harm in harms([policies], QUEUES, ["writes.guarded"])}


@pytest.mark.parametrize(
    ("definition", "concerned"),
    [
        ({"message_ttl": 1000}, {LANE, DEAD}),
        ({"expires": 1000}, {LANE, DEAD}),
        # The policy's wins, whatever the argument says. A dead queue has no limit of its own.
        ({"overflow": "drop-head"}, {LANE}),
        ({"max_length": 1, "overflow": "drop-head"}, {LANE, DEAD}),
        ({"max_length": 1, "overflow": "reject-publish-dlx"}, {LANE, DEAD}),
        ({"delivery_limit": 20}, {LANE, DEAD}),
        ({"delivery_limit": 1000}, {DEAD}),
        ({"delivery_limit": -1}, set()),  # none at all
        # Our arguments win against these.
        ({"max_length": 1}, set()),
        ({"max_length": 1, "overflow": "reject-publish"}, set()),
        ({"max_length_bytes": 1}, set()),
        ({"dead_letter_exchange": "amq.fanout", "dead_letter_strategy": "at-most-once"}, set()),
        ({"queue_leader_locator": "balanced"}, set()),
    ],
)
def test_what_an_argument_wins_against_is_harmless_and_the_rest_is_not(
    definition: dict[str, Any], concerned: set[str]
) -> None:
    assert targets(policy(**definition)) == concerned
    merged = {"policy": "p", "effective_policy_definition": policy(**definition).definition}
    listed = [{"name": name, "arguments": arguments, **merged} for name, arguments in QUEUES.items()]
    assert {harm.target for harm in harms_of_listing(listed)} == concerned


def test_a_queue_without_our_arguments_loses_its_oldest_messages() -> None:
    """As dead queues were: the control of the test above."""
    [harm] = harms([[policy(max_length=1)]], {DEAD: {"x-queue-type": "quorum"}})
    assert (harm.policy, harm.target, "dropped" in harm.text) == ("p", DEAD, True)


def test_only_the_policy_in_force_counts_and_all_that_may_be() -> None:
    ttl = policy(message_ttl=1)
    assert targets(ttl, policy(priority=1, name="harmless")) == set()
    assert targets(policy(priority=-1, name="harmless"), ttl) == {LANE, DEAD}
    assert targets(ttl, policy(name="of the same priority")) == {LANE, DEAD}
    assert targets(policy(r"^writes\.guarded\.\d+$", message_ttl=1)) == {LANE}
    assert targets(policy("^other", message_ttl=1)) == set()
    assert targets(policy("(?+", message_ttl=1)) == {LANE, DEAD}, "a pattern that cannot be read may match"
    assert targets(policy(apply_to="streams", message_ttl=1)) == set()
    assert targets(policy(apply_to="quorum_queues", message_ttl=1)) == {LANE, DEAD}


def test_policies_of_users_and_of_operators_apply_together() -> None:
    user, operator = policy(priority=9, name="harmless"), policy(message_ttl=1, name="operator's")
    assert {harm.policy for harm in harms([[user], [operator]], QUEUES)} == {"operator's"}


def test_an_alternate_exchange_takes_what_has_no_queue() -> None:
    assert targets(policy(apply_to="exchanges", alternate_exchange="x")) == {"writes.guarded"}
    assert targets(policy(apply_to="queues", alternate_exchange="x")) == set()


def test_queues_of_others_and_queues_without_a_policy_are_nothing_of_ours() -> None:
    entry = {"arguments": {}, "policy": "p", "effective_policy_definition": {"message-ttl": 1}}
    assert harms_of_listing([{**entry, "name": "celery"}]) == []
    assert harms_of_listing([{"name": LANE, "arguments": {}, "effective_policy_definition": []}]) == []
