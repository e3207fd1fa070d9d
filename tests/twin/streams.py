"""Streams of commands as services might send them, and ways to cut them into batches."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence

from hypothesis import strategies as st

from tests.twin.batching import Cut
from tests.twin.stock.contract import (
    Add,
    AddIfNew,
    AddOrNo,
    Ask,
    AskLate,
    Careful,
    Cheer,
    Count,
    Grow,
    GrowALittle,
    Jot,
    Move,
    OpenShelf,
    Place,
    Put,
    PutLarger,
    Remove,
    RemoveSmall,
    Resize,
    ResizeLarger,
    Stamp,
    Tell,
    stock,
)
from writegate.contract.command import Command, key_of
from writegate.contract.ids import new_id
from writegate.contract.lanes import lane_of

_TOO_BIG = 3_000_000_000  # for an integer column
_articles = st.sampled_from(["bolt", "cup", "Öl"])
_slots = st.integers(1, 3)
# Mostly good: with a poison in every batch nothing but bisection would be tried.
_sizes = st.sampled_from([*range(9), _TOO_BIG])
_shelves = st.sampled_from(["north", "south", "west"])
_texts = st.sampled_from([*"abcdefghi", "!"])
_added = {
    "article": _articles,
    "slot": _slots,
    "code": st.sampled_from([None, "x", "y", "z"]),
    "weight": st.sampled_from([*range(8), -1]),
    "note": st.sampled_from([*"abcdefg", "far too long"]),
}
_moved = {"article": _articles, "change": st.integers(-6, 9), "fee": st.sampled_from([*range(8), -1])}
_put = {"article": _articles, "slot": _slots, "size": _sizes}
_jotted = {"article": _articles, "text": _texts}

COMMANDS: st.SearchStrategy[Command] = st.one_of(
    st.builds(Jot, **_jotted),
    st.builds(Stamp, **_jotted),
    st.builds(Move, **_moved),
    st.builds(Add, **_added),
    st.builds(AddIfNew, **_added),
    st.builds(AddOrNo, **_added),
    st.builds(Put, **_put),
    st.builds(Resize, **_put),
    st.builds(Grow, **_put),
    st.sampled_from([PutLarger, ResizeLarger, GrowALittle]).flatmap(lambda kind: st.builds(kind, **_put)),
    st.builds(Remove, article=_articles, slot=_slots),
    st.builds(RemoveSmall, article=_articles, slot=_slots),
    st.builds(Count, article=_articles, name=st.sampled_from(["all", "some"]), total=_sizes),
    st.builds(Cheer, name=st.sampled_from(["all", "some"])),
    st.builds(Tell, article=_articles, texts=st.lists(_texts, min_size=1, max_size=3).map(tuple)),
    st.builds(OpenShelf, shelf=_shelves),
    st.builds(Place, article=_articles, shelf=_shelves),
    st.builds(Careful, **_moved),
    st.builds(Ask, **_moved),
    st.builds(AskLate, **_moved),
)

CUTS = st.builds(
    Cut,
    commands=st.integers(1, 60),
    packed=st.sampled_from([1, 3, 50]),
    delivered=st.sampled_from([*[0] * 8, 1, 3, 10]),
    hold=st.sampled_from(
        [*[None] * 8, "stock.jot", "stock.open_shelf", "stock key=cup", "stock key=heard of cup", "table:stock.item"]
    ),
    replayed=st.booleans(),
)

# Ids as ours, as those of a stock producer, and as somebody else may choose them.
_IDS: list[Callable[[int], str]] = [lambda _: new_id(), lambda _: str(uuid.uuid4()), lambda number: f"order {number}"]
_PLACES = st.integers(0, 99)
# Nothing comes first: what matters not for a failure shrinks to that.
_PARTS = st.one_of(
    st.none(),
    *[COMMANDS] * 8,
    _PLACES,
    st.tuples(_PLACES, COMMANDS),
)


def _stream(parts: Sequence[Command | int | tuple[int, Command] | None]) -> list[Command]:
    made: list[Command] = []
    for number, part in enumerate(parts):
        match part:
            case Command():
                made.append(part.with_id(_IDS[number % 3](number)))
            case int() if made:  # an earlier one once more
                made.append(made[part % len(made)])
            case (int(place), Command() as other) if made:
                earlier = made[place % len(made)]
                # Another one under the id of an earlier one. Which of two lanes comes first is not promised.
                if _lane(other) == _lane(earlier):
                    made.append(other.with_id(earlier.command_id))
    return made


def _lane(command: Command) -> int:
    return lane_of(key_of(command), stock.lanes)


# About 60 commands, some of them published again, and some under the id of another.
STREAMS = st.lists(_PARTS, min_size=30, max_size=90).map(_stream)
