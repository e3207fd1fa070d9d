"""What `writegate check` finds: in contracts that differ, and in commands that are read again."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from tests.sample import Deposit, Withdraw, accounts
from writegate import Command, Service, upgrades
from writegate.catalog.description import describe
from writegate.message.envelope import Item, item_of
from writegate_writer.check.decoding import Kept, decoded
from writegate_writer.check.finding import Finding, Where
from writegate_writer.check.narrowing import narrowed
from writegate_writer.check.released import compared


class Part(BaseModel, extra="forbid"):
    name: str
    parts: list[Part] = []


class Weighed(BaseModel, extra="forbid"):
    name: str
    parts: list[Weighed] = []
    grams: int = 0


class Heavy(BaseModel, extra="forbid"):
    name: str
    parts: list[Heavy] = []
    grams: int


class Unnamed(BaseModel, extra="forbid"):
    parts: list[Unnamed] = []


VALUES: list[Any] = [
    None, True, 0, 5, 12, 1.5, "", "a", "abcdef", "2013-01-01", [], [1], ["a"], [None], {}, {"name": "a"},
    {"name": "a", "grams": 1}, {"name": "a", "parts": [{"name": "b"}]}, {"parts": []}, {"parts": [{"parts": []}]},
]  # fmt: skip
KINDS: dict[str, Any] = {
    "int": int,
    "int to 9": Annotated[int, Field(ge=0, le=9)],
    "int from 3": Annotated[int, Field(ge=3)],
    "str": str,
    "str of 3": Annotated[str, Field(min_length=1, max_length=3)],
    "str of a": Annotated[str, Field(pattern="^a")],
    "date": date,
    "int or nothing": int | None,
    "int or str": int | str,
    "a or b": Literal["a", "b"],
    "a or c": Literal["a", "c"],
    "ints": list[int],
    "ints or nothings": list[int | None],
    "part": Part,
    "weighed": Weighed,
    "heavy": Heavy,
    "unnamed": Unnamed,
}
# Whoever widens a field so is not kept from it.
WIDER = [
    ("int to 9", "int"),
    ("int from 3", "int"),
    ("str of 3", "str"),
    ("str of a", "str"),
    ("int", "int or nothing"),
    ("int", "int or str"),
    ("int from 3", "int or nothing"),
    ("ints", "ints or nothings"),
    ("part", "weighed"),
]


def taken(kind: Any) -> list[Any]:
    adapter = TypeAdapter[Any](kind)

    def takes(value: Any) -> bool:
        try:
            adapter.validate_json(json.dumps(value), strict=True)
        except ValidationError:
            return False
        return True

    return [value for value in VALUES if takes(value)]


def schema(name: str) -> dict[str, Any]:
    return TypeAdapter[Any](KINDS[name]).json_schema()


@pytest.mark.parametrize("old", KINDS)
def test_what_is_not_called_narrower_takes_all_that_was_taken(old: str) -> None:
    wider = [new for new in KINDS if not narrowed(schema(old), schema(new))]
    assert {old, *(new for before, new in WIDER if before == old)} <= set(wider)
    for new in wider:
        assert [value for value in taken(KINDS[old]) if value not in taken(KINDS[new])] == [], new


def test_the_values_tell_the_kinds_apart() -> None:
    """Else the test above says nothing."""
    refused = [old for old in KINDS if any(value not in taken(KINDS["unnamed"]) for value in taken(KINDS[old]))]
    assert set(KINDS) - set(refused) == {"unnamed"}


def test_each_difference_is_told_with_its_place() -> None:
    assert narrowed(schema("part"), schema("heavy")) == ["grams: it is required now"]
    assert narrowed(schema("part"), schema("unnamed")) == ["name: it is gone, and what has it is refused"]
    assert narrowed(schema("int"), schema("int to 9")) == [
        "all of it: minimum was not limited and is 0",
        "all of it: maximum was not limited and is 9",
    ]


class Pay(Command, key="invoice", version=3):
    invoice: str
    cents: int = Field(ge=0)

    @upgrades(from_=1)
    @staticmethod
    def in_cents(fields: dict[str, Any]) -> dict[str, Any]:
        return {"cents": fields.pop("euros") * 100, **fields}

    @upgrades(from_=2)
    @staticmethod
    def as_it_is(fields: dict[str, Any]) -> dict[str, Any]:
        return fields


class Note(Command):
    text: str


shop = Service("check_shop", commands=[Pay, Note])
RELEASED = describe([shop])


def changed(change: Callable[[dict[str, Any]], object]) -> list[str]:
    """What is found when `pay` was released and is changed so."""
    today = copy.deepcopy(RELEASED)
    change(today["services"][0]["commands"][0])
    found = compared(RELEASED, today)
    assert all(
        (finding.where, finding.service, finding.task) == ("released", "check_shop", "check_shop.pay")
        for finding in found
    )
    return [finding.why for finding in found]


def test_what_did_not_change_breaks_nothing() -> None:
    assert compared(RELEASED, RELEASED) == []
    assert changed(lambda pay: pay["schema"]["properties"].update(note={"type": "string"})) == []
    assert changed(lambda pay: pay.update(version=4, upgrades_from=[1, 2, 3], schema={"type": "null"})) == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"task": "check_shop.settle"}, "the command is gone"),
        ({"version": 2, "upgrades_from": [1]}, "its version is 2 now"),
        ({"key": {"fields": ["customer"]}}, "its key was invoice and is customer"),
        ({"key": None}, "its key was invoice and is none"),
        ({"upgrades_from": [2]}, "the upgrade from version 1 is gone"),
        ({"version": 5, "upgrades_from": [1, 2, 4]}, "there is no upgrade from version 3"),
        ({"schema": {"type": "object", "required": ["more"]}}, "more: it is required now"),
        (
            {"version": 4, "upgrades_from": [], "schema": {"type": "array"}},
            "all of it: type was 'object' and is 'array'",
        ),
    ],
)
def test_a_change_that_breaks_is_told(change: dict[str, Any], why: str) -> None:
    assert [reason for reason in changed(lambda pay: pay.update(change)) if reason.startswith(why)]


def test_a_service_that_is_not_installed_is_left_alone() -> None:
    assert compared(RELEASED, {"services": []}) == []


def kept(item: Item, where: Where = "parked") -> Kept:
    return Kept(where, item.task.partition(".")[0], item)


def findings_of(*all_kept: Kept) -> list[Finding]:
    return decoded(all_kept, {"accounts": accounts, "check_shop": shop}).findings


def test_what_can_be_read_is_no_finding() -> None:
    items = [item_of(Deposit(account="a", amount=1)), item_of(Withdraw(account="a", amount=1))]
    assert findings_of(*map(kept, items), *(kept(item, "deferred") for item in items)) == []
    lifted = Item("1", "check_shop.pay", 1, "i", b'{"invoice": "i", "euros": 2}')
    assert decoded([kept(lifted)], {"check_shop": shop}).commands == 1
    assert findings_of(kept(lifted)) == []


def test_what_cannot_be_read_is_counted_by_its_reason() -> None:
    wrong = [Item(str(number), "accounts.deposit", 1, "a", b'{"account": "a"}') for number in range(3)]
    other = Item("9", "accounts.deposit", 1, "b", b'{"account": "a", "amount": 1}')
    [missing, key] = findings_of(*map(kept, wrong), kept(other))
    assert (missing.rows, missing.first_id, "amount" in missing.why) == (3, "0", True)
    assert (key.rows, key.why) == (1, "expected the key 'a' that the fields give, got 'b'")


def test_a_newer_version_waits_but_is_a_step_back_for_what_was_parked() -> None:
    newer = Item("1", "accounts.deposit", 2, "a", b'{"account": "a", "amount": 1}')
    assert findings_of(kept(newer, "deferred")) == []
    [found] = findings_of(kept(newer))
    assert found.why == "version 2 of accounts.deposit is newer than this writer"


def test_a_broken_upgrade_is_told_for_what_waits_too() -> None:
    item = Item("1", "check_shop.pay", 1, "i", b'{"invoice": "i", "euros": null}')
    [found] = findings_of(kept(item, "deferred"))
    assert "the upgrade of check_shop.pay from version 1 failed" in found.why
