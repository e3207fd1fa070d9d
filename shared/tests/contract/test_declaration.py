"""A contract that cannot survive the way is refused where it is declared, with the field's name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    Secret,
    SecretBytes,
    SecretStr,
    computed_field,
    create_model,
)

from writegate import Command, Service
from writegate.errors import DeclarationError


class Inner(BaseModel):
    hidden: int = Field(default=1, exclude=True)


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")
    value: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def doubled(self) -> int:
        return 2 * self.value


class Lenient(BaseModel):
    value: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def doubled(self) -> int:
        return 2 * self.value


@dataclass
class Plain:
    token: SecretStr


def declare(**fields: Any) -> None:
    command = create_model("Declared", __base__=Command, **fields)
    Service("declaration_test", commands=[command])


@pytest.mark.parametrize(
    ("fields", "where", "why"),
    [
        ({"a": (int, Field(default=1, exclude=True))}, "Declared.a", "an excluded field is not sent"),
        ({"a": (int, Field(default=0, exclude_if=lambda value: value == 0))}, "Declared.a", "an excluded field"),
        ({"a": (int, Field(serialization_alias="b"))}, "Declared.a", "it is written as 'b' and read as a"),
        ({"a": (int, Field(validation_alias="b"))}, "Declared.a", "it is written as 'a' and read as b"),
        ({"a": (int, Field(validation_alias=AliasPath("b", 0)))}, "Declared.a", "written as 'a' and read as a path"),
        ({"a": (SecretStr, ...)}, "Declared.a", "a secret is written as stars"),
        ({"a": (SecretBytes | None, None)}, "Declared.a", "a secret is written as stars"),
        ({"a": (list[Secret[int]], ...)}, "Declared.a", "a secret is written as stars"),
        ({"a": (Inner, ...)}, "Inner.hidden", "an excluded field is not sent"),
        ({"a": (dict[str, list[Inner]], ...)}, "Inner.hidden", "an excluded field is not sent"),
        ({"a": (Strict, ...)}, "Strict.doubled", "a computed field is written and cannot be read"),
        ({"a": (Plain, ...)}, "Plain.token", "a secret is written as stars"),
    ],
)
def test_what_json_would_not_carry_is_named(fields: dict[str, Any], where: str, why: str) -> None:
    with pytest.raises(DeclarationError) as raised:
        declare(**fields)
    assert str(raised.value).startswith(f"{where}: ")
    assert why in str(raised.value)


def test_a_computed_field_of_a_command_is_refused() -> None:
    class Computed(Command):
        value: int

        @computed_field  # type: ignore[prop-decorator]
        @property
        def doubled(self) -> int:
            return 2 * self.value

    with pytest.raises(DeclarationError, match=r"Computed\.doubled: a computed field is written"):
        Service("declaration_test", commands=[Computed])


def test_what_survives_is_accepted() -> None:
    declare(
        alias=(int, Field(alias="b")),
        choices=(int, Field(validation_alias=AliasChoices("c", "d"), serialization_alias="d")),
        lenient=(Lenient, ...),
        shown=(Annotated[SecretStr, PlainSerializer(lambda secret: secret.get_secret_value())], ...),
        hidden=(str, Field(repr=False)),
    )
