"""Declaring services."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from writegate import Command, Service
from writegate.errors import DeclarationError


@pytest.mark.parametrize("name", ["writegate", "dead", "any", "", "Flights", "1st", "a-b", "a.b", "a" * 41, "ä", "a\n"])
def test_names_are_plain_and_not_reserved(name: str) -> None:
    with pytest.raises(DeclarationError, match=r"expected lower-case letters, digits and _"):
        Service(name, commands=[])


@pytest.mark.parametrize("name", ["a", "flights", "f_2", "a" * 40])
def test_good_names(name: str) -> None:
    assert Service(name, commands=[]).name == name


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"lanes": 0}, r"lanes must be at least 1, not 0"),
        ({"retention": timedelta(hours=23)}, r"retention is kept by whole days, at least 1, not 23:00:00"),
    ],
)
def test_limits(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(DeclarationError, match=text):
        Service("limits", commands=[], **arguments)


def test_two_commands_of_one_name() -> None:
    class One(Command, name="same"):
        pass

    class Other(Command, name="same"):
        pass

    with pytest.raises(DeclarationError, match=r"two commands are called twice\.same"):
        Service("twice", commands=[One, Other])


def test_defaults_are_those_that_are_promised() -> None:
    service = Service("defaults", commands=[])
    assert (service.lanes, service.keys_own_rows, service.retention) == (1, False, timedelta(days=7))
    assert dict(service.commands) == {}
    assert repr(service) == "Service('defaults', lanes=1)"


def test_the_commands_of_a_service_are_fixed() -> None:
    class Only(Command):
        pass

    service = Service("fixed", commands=[Only])
    assert dict(service.commands) == {"fixed.only": Only}
    with pytest.raises(TypeError):
        service.commands["more"] = Only  # type: ignore[index]  # the very point
