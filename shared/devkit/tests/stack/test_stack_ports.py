"""Ports: free, different, remembered, and chosen again when somebody took them."""

from __future__ import annotations

import random
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from writegate_devkit.stack.errors import StackError
from writegate_devkit.stack.ports import CANDIDATES, choose, is_free


def test_a_port_somebody_listens_on_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not is_free(port)
    assert is_free(port)


def test_keeps_remembered_ports_that_are_free() -> None:
    remembered = {"a": 18_001, "b": 18_002}
    assert choose(["a", "b"], remembered, free=lambda _: True) == remembered


def test_chooses_again_only_what_was_taken() -> None:
    chosen = choose(["a", "b"], {"a": 18_001, "b": 18_002}, free=lambda port: port != 18_001)
    assert chosen["b"] == 18_002
    assert chosen["a"] not in {18_001, 18_002}


@given(st.integers(), st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(range(18_000, 18_010))))
def test_never_gives_one_port_twice(seed: int, remembered: dict[str, int]) -> None:
    chosen = choose("abcdef", remembered, free=lambda port: port % 3 > 0, draw=random.Random(seed))
    assert len(set(chosen.values())) == 6
    assert all(port in CANDIDATES and port % 3 > 0 for port in chosen.values())


def test_says_so_when_there_is_none() -> None:
    with pytest.raises(StackError, match="no free port for a"):
        choose(["a"], {}, free=lambda _: False)
