"""
Matchers: conditions on the labels of an alert, spelt as Alertmanager spells them.

`severity="critical"`, `env!=test`, `team=~"db|infra"`, `host!~"dev-.*"`. A label that
is not there is empty. Expressions are RE2, which takes linear time whatever a sender
writes, and match the whole value.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any

import re2
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer
from typing_extensions import override

LABEL_MAX, VALUE_MAX = 200, 1_000
WRITTEN = re.compile(
    r"\s*(?P<label>[^\s=!~\"'{},]+)\s*(?P<operator>=~|!~|!=|=)\s*(?P<value>.*?)\s*",
    re.DOTALL,
)
HOW_TO_WRITE = 'write it like severity="critical", env!=test or team=~"db|infra"'
ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class Operator(StrEnum):
    """How a value is compared."""

    EQUAL = "="
    NOT_EQUAL = "!="
    MATCHES = "=~"
    MATCHES_NOT = "!~"

    @property
    def is_expression(self) -> bool:
        """Whether the value is an expression."""
        return self in {Operator.MATCHES, Operator.MATCHES_NOT}


class AnyMatcher(BaseModel):
    """One condition on one label."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: Annotated[str, Field(min_length=1, max_length=LABEL_MAX)]
    operator: Operator
    value: Annotated[str, Field(max_length=VALUE_MAX)]

    @override
    def __str__(self) -> str:
        value = self.value.replace("\\", "\\\\").replace('"', '\\"')

        return f'{self.label}{self.operator}"{value}"'

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether the labels of an alert meet it."""
        value = labels.get(self.label, "")
        match self.operator:
            case Operator.EQUAL:
                return value == self.value
            case Operator.NOT_EQUAL:
                return value != self.value
            case Operator.MATCHES:
                return _compiled(self.value).fullmatch(value) is not None
            case Operator.MATCHES_NOT:
                return _compiled(self.value).fullmatch(value) is None


def read_matcher(value: Any) -> Any:
    """
    Read a matcher as people write it.

    Raises:
        ValueError: If it is none; the message shows how to write it.
    """
    if not isinstance(value, str):
        return value
    found = WRITTEN.fullmatch(value)
    if found is None:
        message = f"{value[:100]!r} is no matcher: {HOW_TO_WRITE}"
        raise ValueError(message)
    operator = Operator(found["operator"])
    text = _unquoted(found["value"])
    if operator.is_expression:
        _compiled(text)

    return AnyMatcher(label=found["label"], operator=operator, value=text)


def _unquoted(text: str) -> str:
    if not text.startswith('"'):
        return text
    inner = text[1:-1]
    if len(text) == 1 or not text.endswith('"') or '"' in ESCAPED.sub("", inner):
        message = f"{text[:100]!r} has a quote without its partner: {HOW_TO_WRITE}"
        raise ValueError(message)

    return ESCAPED.sub(r"\1", inner)


@lru_cache(maxsize=1_000)
def _compiled(expression: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(expression, options)
    except re2.error as error:
        told = error.args[0] if error.args else error
        why = told.decode(errors="replace") if isinstance(told, bytes) else str(told)
        message = (
            f"{expression[:100]!r} is no RE2 expression ({why}): RE2 has no "
            "look-ahead, no look-behind and no back-references"
        )
        raise ValueError(message) from None


Matcher = Annotated[
    AnyMatcher,
    BeforeValidator(read_matcher, json_schema_input_type=str),
    PlainSerializer(str, return_type=str),
]
