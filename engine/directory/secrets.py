"""
Secrets in files: an address, a signing secret or a key may be left to the environment.

    address: {env: WAR_ROOM_URL}

Only the name stands in the file then. What it stands for is never shown.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from engine.directory.directory import ObjectKind
from policies.loading import Path

ENV = "env"
HOW_TO_WRITE = "write a text, or {env: NAME} for one of the environment"
# Anything else may be the secret itself, written where its name belongs.
QUOTABLE = re.compile(r"[A-Z_][A-Z0-9_]*")

SecretOf = Callable[[str], str | None]


@dataclass(slots=True, kw_only=True)
class Secrets:
    """
    Fills in what the environment holds.

    Attributes:
        secret_of: What a name of the environment stands for, if it is set.
        problems: What could not be filled in, by path; it is None then.
    """

    secret_of: SecretOf
    problems: list[tuple[Path, str]] = field(default_factory=list[tuple[Path, str]])

    def filled_in(self, kind: ObjectKind, fields: Any) -> Any:
        """Return the fields of an object, with its secrets in them."""
        if not isinstance(fields, dict):
            return fields
        match kind:
            case ObjectKind.USERS:
                methods = fields.get("contact_methods")
                if not isinstance(methods, list):
                    return fields
                filled = [
                    self._address(method, ("contact_methods", index))
                    for index, method in enumerate(methods)
                ]
                return fields | {"contact_methods": filled}
            case ObjectKind.PLACES:
                return self._address(fields, ())
            case ObjectKind.INTEGRATIONS:
                return dict(self._entries(fields, (), "key"))
            case _:
                return fields

    def _address(self, fields: Any, path: Path) -> Any:
        if not isinstance(fields, dict):
            return fields
        filled = dict(self._entries(fields, path, "address"))
        secrets = filled.get("secrets")
        if isinstance(secrets, list):
            filled["secrets"] = [
                self._secret(one, (*path, "secrets", index))
                for index, one in enumerate(secrets)
            ]

        return filled

    def _entries(
        self, fields: dict[str, Any], path: Path, name: str
    ) -> Iterator[tuple[str, Any]]:
        for key, value in fields.items():
            yield key, self._secret(value, (*path, key)) if key == name else value

    def _secret(self, value: Any, path: Path) -> Any:
        if not isinstance(value, dict):
            return value
        name = value.get(ENV)
        if not isinstance(name, str) or len(value) != 1:
            self.problems.append((path, HOW_TO_WRITE))
            return None
        found = self.secret_of(name)
        if not found:
            self.problems.append((path, _not_set(name)))

        return found or None


def _not_set(name: str) -> str:
    if not QUOTABLE.fullmatch(name):
        return f"the environment has nothing of that name: {HOW_TO_WRITE}"

    return f"the environment variable {name[:100]!r} is not set: set it"
