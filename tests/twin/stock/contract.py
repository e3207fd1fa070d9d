"""What may be asked of it. Commands of different articles commute, as a writer expects of different keys."""

from __future__ import annotations

from writegate import Command, Service


class Add(Command, key="article"):
    """Add an item; it may exist, its code may be taken, its weight be negative, its note too long."""

    article: str
    slot: int
    code: str | None
    weight: int
    note: str


class AddIfNew(Add, key="article"):
    """The same, unless something stands in its way."""


class AddOrNo(Add, key="article"):
    """The same, declined when something stands in its way."""


class Put(Command, key="article"):
    """Set an item's size, whether it exists or not; the size may not fit the column."""

    article: str
    slot: int
    size: int


class Resize(Put, key="article"):
    """Set the size of an item that exists."""


class Grow(Put, key="article"):
    """Add to the size of an item that exists."""


class PutLarger(Put, key="article"):
    """Set an item's size, unless it is larger already."""


class ResizeLarger(Put, key="article"):
    """The same of an item that exists."""


class GrowALittle(Put, key="article"):
    """Add to the size of an item, if it stays small."""


class Remove(Command, key="article"):
    """Remove an item."""

    article: str
    slot: int


class RemoveSmall(Remove, key="article"):
    """Remove an item that is small."""


class Count(Command, key="article"):
    """Add to a total that all articles share."""

    article: str
    name: str
    total: int


class Cheer(Command):
    """About nothing in particular, so without a key."""

    name: str


class Jot(Command, key="article"):
    """Append to an article's story; the database does not take an exclamation mark."""

    article: str
    text: str


class Stamp(Jot, key="article"):
    """The same by another name: whoever mixes up the two is found out."""


class Tell(Command, key="article"):
    """Emit what is to be jotted down, in order, about what was heard of the article."""

    article: str
    texts: tuple[str, ...]


class Move(Command, key="article"):
    """Change a balance; the handler itself rejects what would leave less than nothing, the database a negative fee."""

    article: str
    change: int
    fee: int = 0


class Careful(Move, key="article", on_reject="park_key"):
    """The same; when one is rejected, its article waits."""


class Ask(Move, key="article"):
    """The same; what would leave less than nothing is declined."""


class AskLate(Move, key="article"):
    """The same, by a handler of one command at a time that finds out when it has written already."""


class OpenShelf(Command, key="shelf"):
    """Set up a shelf."""

    shelf: str


class Place(Command, key="article"):
    """Give an article its place on a shelf, which may come later."""

    article: str
    shelf: str


stock = Service(
    "stock",
    commands=[
        Add, AddIfNew, AddOrNo, Put, PutLarger, Resize, ResizeLarger, Grow, GrowALittle, Remove, RemoveSmall, Count,
        Cheer, Jot, Stamp, Tell, Move, Careful, Ask, AskLate, OpenShelf, Place,
    ],
    lanes=2,
)  # fmt: skip
