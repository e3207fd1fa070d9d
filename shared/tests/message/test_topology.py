"""What a service needs at the broker. Queue arguments cannot be changed later, so they are spelled out here."""

from __future__ import annotations

from writegate import Service
from writegate.contract.lanes import lane_of
from writegate.message.topology import Binding, Exchange, Queue, route_of, topology_of

LANE_ARGUMENTS = {
    "x-queue-type": "quorum",
    "x-single-active-consumer": True,
    "x-delivery-limit": 1000,
    "x-max-length": 10,
    "x-max-length-bytes": 1000,
    "x-overflow": "reject-publish",
    "x-dead-letter-exchange": "writes.dead",
    "x-dead-letter-routing-key": "wired",
    "x-dead-letter-strategy": "at-least-once",
}


def test_the_topology_of_a_service() -> None:
    service = Service("wired", commands=[], lanes=2, max_waiting=10, max_waiting_bytes=1000)
    found = topology_of(service)
    assert found.exchanges == (Exchange("writes.wired"), Exchange("writes.dead"))
    assert found.queues == (
        Queue("writes.wired.0", LANE_ARGUMENTS),
        Queue("writes.wired.1", LANE_ARGUMENTS),
        Queue(
            "writes.wired.dead",
            {"x-queue-type": "quorum", "x-delivery-limit": 2**31 - 1, "x-overflow": "reject-publish"},
        ),
    )
    assert set(found.bindings) == {
        Binding("writes.wired", "writes.wired.0", "0"),
        Binding("writes.wired", "writes.wired.1", "1"),
        Binding("writes.wired", "writes.wired.0", "any"),
        Binding("writes.dead", "writes.wired.dead", "wired"),
    }


def test_every_route_has_a_queue() -> None:
    service = Service("routed", commands=[], lanes=5)
    bound = {(binding.exchange, binding.routing_key) for binding in topology_of(service).bindings}
    for number in range(100):
        route = route_of("routed", f"key-{number}", 5)
        assert (route.exchange, route.routing_key) in bound
        assert route.routing_key == str(lane_of(f"key-{number}", 5))
    assert route_of("routed", None, 5).routing_key == "0"
