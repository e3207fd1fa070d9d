"""Which services are applied together."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.declared import service
from writegate_writer.handlers.domains import domains_of


def test_a_service_of_its_own_is_one_domain_with_all_its_lanes() -> None:
    (domain,) = domains_of([service("flights", "flights.flight", "flights.day", lanes=3)])
    assert domain.name == "flights"
    assert domain.lanes == (("flights", 0), ("flights", 1), ("flights", 2))
    assert domain.tables == ("flights.day", "flights.flight")
    assert "no other service" in domain.reason


def test_services_that_share_a_table_are_one_domain_in_any_order() -> None:
    declared = [service("orders", "a.x", "a.y", lanes=2), service("billing", "a.y"), service("mail", "m.z")]
    for order in permutations(declared):
        together, alone = domains_of(order)
        assert (together.name, alone.name) == ("billing+orders", "mail")
        assert together.lanes == (("billing", 0), ("orders", 0), ("orders", 1))
        assert together.reason == "billing and orders share a.y"


def test_sharing_is_transitive() -> None:
    (domain,) = domains_of([service("a", "s.one"), service("c", "s.two"), service("b", "s.one", "s.two")])
    assert domain.name == "a+b+c"
    assert "s.one, s.two" in domain.reason


def test_keys_that_own_their_rows_make_each_lane_a_domain() -> None:
    found = domains_of([service("weather", "weather.observation", lanes=2, keys_own_rows=True)])
    assert [(domain.name, domain.lanes) for domain in found] == [
        ("weather.0", (("weather", 0),)),
        ("weather.1", (("weather", 1),)),
    ]


def test_sharing_a_table_outweighs_keys_that_own_their_rows() -> None:
    (domain,) = domains_of([service("a", "s.t", lanes=2, keys_own_rows=True), service("b", "s.t")])
    assert domain.lanes == (("a", 0), ("a", 1), ("b", 0))


@pytest.mark.parametrize(("one", "other", "count"), [("t", "public.t", 1), ("x.t", "y.t", 2)])
def test_a_table_is_its_schema_and_name(one: str, other: str, count: int) -> None:
    assert len(domains_of([service("a", one), service("b", other)])) == count


@given(st.lists(st.sets(st.integers(0, 12), max_size=4), max_size=8))
def test_domains_are_the_connected_components(tables: Sequence[set[int]]) -> None:
    declared = [service(f"s{index}", *(f"s.t{table}" for table in sorted(used))) for index, used in enumerate(tables)]
    found = domains_of(declared)
    of_service = {name: domain for domain in found for name in domain.services}
    assert len(of_service) == len(tables)
    for first, used in enumerate(tables):
        reached, grown = set(used), True
        while grown:
            more = {table for other in tables if other & reached for table in other}
            grown, reached = not more <= reached, reached | more
        for second, others in enumerate(tables):
            together = of_service[f"s{first}"] == of_service[f"s{second}"]
            assert together == (first == second or bool(reached & others))
