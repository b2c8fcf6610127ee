"""
What is wrong with a change of what is configured.

The messages are for whoever asked, on whatever surface: none of them quotes a secret.
"""

from collections.abc import Sequence

from engine.directory import ObjectKind
from engine.directory.checks import WORDS, Problem
from engine.errors import CallerError


class ObjectError(CallerError):
    """An object cannot be changed like this. The message is for whoever asked."""


class UnknownObjectError(ObjectError):
    """There is no such object."""

    def __init__(self, kind: ObjectKind, object_id: str) -> None:
        super().__init__(f"There is no {WORDS[kind]} {object_id!r}.")
        self.kind = kind
        self.object_id = object_id


class ObjectExistsError(ObjectError):
    """There is one already."""

    def __init__(self, kind: ObjectKind, name: str) -> None:
        word = WORDS[kind]
        message = (
            f"There is a {word} {name!r} already: change that one, or name another."
        )
        super().__init__(message)
        self.kind = kind
        self.name = name


class InvalidObjectError(ObjectError):
    """
    An object does not fit the others.

    Attributes:
        problems: The path of each field, and what is wrong with it.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{one.path}: {one.problem}" for one in problems))
        self.problems = tuple(problems)


class OwnedByFileError(ObjectError):
    """A file says what it is, and would say so again."""

    def __init__(self, word: str, name: str, file: str) -> None:
        super().__init__(
            f"The {word} {name!r} comes from {file}: change it there, and apply the "
            "files again."
        )
        self.file = file


class AlwaysThereError(ObjectError):
    """It can be changed, but not removed."""

    def __init__(self, kind: ObjectKind, object_id: str) -> None:
        super().__init__(
            f"The {WORDS[kind]} {object_id!r} is always there: change it instead."
        )


class LastAdminError(ObjectError):
    """No token with the scope admin would be left."""

    def __init__(self) -> None:
        super().__init__(
            "No valid token with the scope admin would be left: make another one "
            "first, or use `rung token` where rung runs."
        )
