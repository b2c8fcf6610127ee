"""
Metadata: what is known of an incident, by key.

A value is text, or names an object: a user, a team, a schedule, a policy. The labels of
alerts are text.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

TEXT, NO_VALUE = "String", "no_value"
VALUES_MAX = 50
TYPE_MAX, ID_MAX, VALUE_MAX = 50, 200, 1_000

Texts = Mapping[str, tuple[str, ...]]


class Reference(BaseModel):
    """An object that a value names, by the kind and id of the object."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Annotated[str, Field(min_length=1, max_length=TYPE_MAX)]
    id: Annotated[str, Field(min_length=1, max_length=ID_MAX)]


References = Mapping[str, tuple[Reference, ...]]


class ListedValue(BaseModel):
    """
    One value that a branch tells apart.

    Attributes:
        type: `String`, a kind of object, or `no_value`: absent, empty or all blank.
        value: The text, of a String only.
        id: The object's id, of a reference only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Annotated[str, Field(min_length=1, max_length=TYPE_MAX)] = TEXT
    value: Annotated[str, Field(max_length=VALUE_MAX)] = ""
    id: Annotated[str, Field(max_length=ID_MAX)] = ""

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        return {"value": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check(self) -> "ListedValue":
        has = (bool(self.value), bool(self.id))
        wanted = {TEXT: (has[0], False), NO_VALUE: (False, False)}
        if has != wanted.get(self.type, (False, True)):
            message = f"a {self.type} takes " + {
                TEXT: "value, not id",
                NO_VALUE: "neither value nor id",
            }.get(self.type, "id, not value")
            raise ValueError(message)

        return self

    def matches(self, texts: tuple[str, ...], named: tuple[Reference, ...]) -> bool:
        """Tell whether any of an incident's values under one key is this one."""
        match self.type:
            case "String":
                return self.value in texts
            case "no_value":
                return not named and not any(text.strip() for text in texts)
            case _:
                return any((self.type, self.id) == (n.type, n.id) for n in named)


ListedValues = Annotated[
    tuple[ListedValue, ...], Field(min_length=1, max_length=VALUES_MAX)
]
