"""Commands: one database write each, as a typed and versioned model."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, PrivateAttr
from pydantic_core import CoreSchema

from writegate.contract.declaration import check_declaration
from writegate.contract.ids import new_id
from writegate.contract.instants import normalize_fields
from writegate.contract.reading import readable
from writegate.contract.upgrading import Upgrade, upgrades_of
from writegate.errors import DeclarationError, InvalidCommand

OnReject = Literal["continue", "park_key"]
KeyRule = str | tuple[str, ...] | Callable[[Any], str] | None


@dataclass(frozen=True, slots=True)
class Contract:
    """What a command type declares. ``service`` is empty until a :class:`writegate.Service` lists the type."""

    name: str
    version: int
    key: KeyRule
    on_reject: OnReject
    upgrades: Mapping[int, Upgrade] = field(default_factory=dict)  # by the version they start from
    service: str = ""
    lanes: int = 1

    @property
    def task(self) -> str:
        """The Celery task name, ``<service>.<command>``."""
        return f"{self.service}.{self.name}"


class Command(BaseModel):
    """One write, as a frozen, strict, versioned model.

    ::

        class RecordDeparture(Command, key="flight", version=1):
            flight: str
            left_at: datetime

    Class arguments: ``key`` names the field (or fields, or a function of the command) that says what the
    command is about; commands of one key are applied in order. ``version`` counts changes of the contract:
    :func:`writegate.upgrades` says how older fields become newer ones; without any, they are read as they are.
    ``name`` defaults to the class name in snake case. ``on_reject`` says what happens to the key's later commands when
    one is parked: they go on (``"continue"``) or wait behind it (``"park_key"``).
    """

    # JSON has no NaN. A field that allows it is written as the constant NaN, which publishing finds and refuses.
    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", allow_inf_nan=False, ser_json_inf_nan="constants"
    )

    __writegate__: ClassVar[Contract]
    _command_id: str | None = PrivateAttr(default=None)

    def __init_subclass__(cls, **_: Any) -> None:
        # Python calls this before pydantic has collected the fields, with the same arguments: they are dropped here.
        super().__init_subclass__()

    @classmethod
    def __pydantic_init_subclass__(
        cls,
        *,
        key: KeyRule = None,
        version: int = 1,
        name: str | None = None,
        on_reject: OnReject = "continue",
        **kwargs: Any,
    ) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        fields = (key,) if isinstance(key, str) else key if isinstance(key, tuple) else ()
        if missing := [field for field in fields if field not in cls.model_fields]:
            raise DeclarationError(f"{cls.__name__}: key names {missing[0]!r}, which is not one of its fields")
        if version < 1:
            raise DeclarationError(f"{cls.__name__}: version counts from 1, not {version}")
        if on_reject not in get_args(OnReject):
            raise DeclarationError(f"{cls.__name__}: on_reject is one of {get_args(OnReject)}, not {on_reject!r}")
        name = name or _snake(cls.__name__)
        cls.__writegate__ = Contract(name, version, key, on_reject, upgrades_of(cls, version))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[BaseModel], handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        normalize_fields(source, handler.resolve_ref_schema(schema))
        return schema

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **options: Any) -> Self:
        """Read a command from JSON. Numbers for Decimal fields are read as text, with all their digits."""
        data = bytes(json_data) if isinstance(json_data, bytearray) else json_data
        return super().model_validate_json(readable(cls, data), **options)

    @property
    def command_id(self) -> str:
        """This command's id, made at first use: publishing the same object again is a retry, not a second write."""
        # The same as `self._command_id`, without pydantic's attribute look-up: every publish calls this.
        private = self.__pydantic_private__
        assert private is not None  # noqa: S101  pydantic creates it with the model
        command_id: str | None = private["_command_id"]
        if command_id is None:
            command_id = private["_command_id"] = new_id()
        return command_id

    def with_id(self, command_id: str) -> Self:
        """Return a copy with an id of your choice, for your own idempotency keys.

        Raises :class:`~writegate.errors.InvalidCommand` for the empty text, which is no id: two commands would have it.
        """
        if not command_id:
            name = self.__writegate__.task
            raise InvalidCommand(repr(command_id), name, "id", "expected text of 1 to 128 bytes, got an empty one")
        copy = self.model_copy()
        copy._command_id = command_id  # noqa: SLF001  our own attribute, on our own copy
        return copy

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy. With ``update`` it is another command: its fields are validated and it has a new id."""
        if not update:
            return super().model_copy(deep=deep)
        return type(self).model_validate({**self.__dict__, **update})

    # Commands are equal when type and fields are equal; the id does not count.
    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    __hash__ = BaseModel.__hash__


def contract_of(command: Command | type[Command]) -> Contract:
    """Return the contract of a command or command type. Raises :class:`DeclarationError` when no service lists it."""
    contract: Contract | None = getattr(command, "__writegate__", None)
    if contract is None or not contract.service:
        name = command.__name__ if isinstance(command, type) else type(command).__name__
        raise DeclarationError(f"{name} belongs to no service: list it in Service(..., commands=[{name}])")
    return contract


def key_of(command: Command) -> str | None:
    """Return the key of a command as text, or None when its contract declares none."""
    rule = contract_of(command).key
    if rule is None:
        return None
    if isinstance(rule, str):
        return str(getattr(command, rule))
    if isinstance(rule, tuple):
        return "/".join(str(getattr(command, field)) for field in rule)
    return rule(command)


def identify(command: Command, command_id: str) -> None:
    """Set the id of a command that no other code holds yet: :meth:`Command.with_id` without the copy."""
    private = command.__pydantic_private__
    assert private is not None  # noqa: S101  pydantic creates it with the model
    private["_command_id"] = command_id


def bind(command: type[Command], service: str, lanes: int) -> None:
    """Assign a command type to a service.

    Raises :class:`DeclarationError` when it belongs to another one already, or declares what JSON would not carry.
    """
    contract: Contract | None = command.__dict__.get("__writegate__")
    if contract is None:
        raise DeclarationError(f"{command.__name__} is not a Command subclass of its own")
    if contract.service not in ("", service):
        raise DeclarationError(
            f"{command.__name__} belongs to {contract.service!r} already, {service!r} cannot take it"
        )
    check_declaration(command)
    command.__writegate__ = replace(contract, service=service, lanes=lanes)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
