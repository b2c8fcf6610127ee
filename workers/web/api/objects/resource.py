"""
What one kind of objects has of its own: its path, its body, its answer.

Everything else, from paging to ETags, is the same for all of them (routes.py).
"""

import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, Self

from pydantic import BaseModel, Field, JsonValue, StringConstraints
from typing_extensions import override

from engine.directory import ObjectKind
from engine.directory.checks import WORDS
from engine.directory.record import Record
from engine.service.object_errors import ObjectExistsError
from workers.web.problems import FieldError, refused

NAME_MAX, ID_MAX = 200, 100
# One letter or digit first, so that no id is `.` or `..`, which vanish from a path.
ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._~@+-]*$"
NEW_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~@+-]{0,99}")
NUMBERED_MAX = 1_000

Text = Annotated[str, StringConstraints(max_length=NAME_MAX)]
ObjectName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=NAME_MAX),
]
ObjectId = Annotated[
    str,
    StringConstraints(pattern=ID_PATTERN, max_length=ID_MAX),
    Field(description="POST: made of the name, if left out. PUT: the one of the path."),
]
# So that what was read can be sent back as it is.
Shown = Annotated[
    JsonValue, Field(description="Part of answers; ignored here.", exclude=True)
]


class ObjectBody(Record):
    """An object as it is sent."""

    id: ObjectId | None = None
    origin: Shown = None

    @property
    def called(self) -> str:
        """What an id can be made of; empty if there is nothing."""
        name = getattr(self, "name", "")

        return name if isinstance(name, str) else ""

    def record(self, object_id: str, current: Any, secret: str) -> Any:
        """
        Return the object that it describes.

        Args:
            object_id: Its id.
            current: What is in its place by now; None if nothing is.
            secret: A fresh one, for an object that needs one and has none yet.

        Raises:
            ProblemError: If what it leaves out cannot be filled in.
        """
        raise NotImplementedError


class ObjectAnswer(BaseModel):
    """
    An object as it is shown.

    Attributes:
        origin: The file that it comes from; None: it was made through the API.
    """

    id: str
    origin: str | None

    @classmethod
    def of(cls, object_id: str, value: Any, origin: str | None) -> Self:
        """Show an object."""
        return cls.model_validate(
            {**_fields_of(value), "id": object_id, "origin": origin}
        )


class WithSecret(Protocol):
    """Shows an object together with the secret that was made for it."""

    def __call__(
        self, answer: ObjectAnswer, secret: str, base_url: str
    ) -> ObjectAnswer:
        """Return the answer that is given once."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """
    One kind of objects over HTTP.

    Attributes:
        path: Where they are, below `/v1`; with underscores it is their name in a list.
        example: A body, for the description.
        first_answer: What is shown when one is made; the same as ever, if not set.
        with_secret: How a secret is shown that is made with an object; None: none is.
    """

    path: str
    kind: ObjectKind
    body: type[ObjectBody]
    answer: type[ObjectAnswer]
    example: Mapping[str, Any]
    first_answer: type[ObjectAnswer] | None = None
    with_secret: WithSecret | None = None

    @property
    def word(self) -> str:
        """What people call one of them."""
        return WORDS[self.kind]

    @property
    def one(self) -> str:
        """What people call one of them, with its article."""
        article = "an" if self.word.startswith(("i", "ur")) else "a"

        return f"{article} {self.word}"

    @property
    def plural(self) -> str:
        """What the list of them is called in an answer."""
        return self.path.replace("-", "_")

    def new_id(self, body: ObjectBody, known: Collection[str]) -> str:
        """
        Return the id of an object that is made: the one it was given, or a free one.

        Raises:
            ObjectExistsError: If it was given one that is taken.
            ProblemError: If there is nothing to make one of.
        """
        if body.id is not None:
            if body.id in known:
                raise ObjectExistsError(self.kind, body.id)
            return body.id
        made = _made_of(body.called)
        if not made:
            problem = "is missing, and none can be made of the name: add it"
            raise refused([FieldError(field="id", problem=problem)])
        numbered = (f"{made}-{number}" for number in range(2, NUMBERED_MAX))

        return next((one for one in (made, *numbered) if one not in known), made)


def _made_of(name: str) -> str:
    """Write a name in small letters, digits and hyphens."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    spaced = "".join(one if one.isalnum() else " " for one in plain.lower())

    return "-".join(spaced.split())[: ID_MAX // 2].rstrip("-")


def _fields_of(value: Any) -> Mapping[str, Any]:
    return {name: getattr(value, name) for name in type(value).model_fields}


class NamedBody(ObjectBody):
    """An object with a name."""

    name: ObjectName

    @property
    @override
    def called(self) -> str:
        return self.name
