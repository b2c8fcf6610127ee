"""
What a file of the directory looks like: its keys, and a JSON Schema for editors.

What an object may hold is what its record takes. Three things are written otherwise:
the id is the key above, an integration has its key in place of a hash, and what is
secret may be left to the environment.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel

from engine.directory.addresses import Place
from engine.directory.directory import ObjectKind
from engine.directory.integrations import Integration
from engine.directory.people import Team, Urgency, User, UserGroup
from engine.directory.record import Record
from engine.directory.tokens import SECRET
from policies.policy import Policy
from policies.targets import Name

SETTINGS = "settings"
# What a file calls objects of a kind; tokens are in no file.
KINDS: Mapping[str, ObjectKind] = {
    "users": ObjectKind.USERS,
    "teams": ObjectKind.TEAMS,
    "user_groups": ObjectKind.GROUPS,
    "channels": ObjectKind.PLACES,
    "urgencies": ObjectKind.URGENCIES,
    "policies": ObjectKind.POLICIES,
    "integrations": ObjectKind.INTEGRATIONS,
    "schedules": ObjectKind.ON_CALL,
}
KEYS = (*KINDS, SETTINGS)
WRITTEN: Mapping[str, str] = {kind: name for name, kind in KINDS.items()}
MODELS: Mapping[ObjectKind, type[BaseModel]] = {
    ObjectKind.USERS: User,
    ObjectKind.TEAMS: Team,
    ObjectKind.GROUPS: UserGroup,
    ObjectKind.PLACES: Place,
    ObjectKind.URGENCIES: Urgency,
    ObjectKind.POLICIES: Policy,
    ObjectKind.INTEGRATIONS: Integration,
}
DIALECT = "https://json-schema.org/draft/2020-12/schema"
FROM_ENVIRONMENT = {
    "type": "object",
    "description": "The name of an environment variable that holds it.",
    "properties": {"env": {"type": "string"}},
    "required": ["env"],
    "additionalProperties": False,
}


class Settings(Record):
    """
    What is set for the installation as a whole.

    Attributes:
        default_team: The team of incidents that have none of their own.
        catch_all: The policy that exhausted incidents walk at last.
    """

    default_team: Name | None = None
    catch_all: Name | None = None


class File(Record):
    """
    One file of rung's directory.

    Attributes:
        channels: Places that many read.
        schedules: Who is on call in each; everybody listed is, in this order.
    """

    users: Mapping[Name, User] | None = None
    teams: Mapping[Name, Team] | None = None
    user_groups: Mapping[Name, UserGroup] | None = None
    channels: Mapping[Name, Place] | None = None
    urgencies: Mapping[Name, Urgency] | None = None
    policies: Mapping[Name, Policy] | None = None
    integrations: Mapping[Name, Integration] | None = None
    schedules: Mapping[Name, tuple[Name, ...]] | None = None
    settings: Settings | None = None


@cache
def file_schema() -> Mapping[str, Any]:
    """Return the JSON Schema of a file."""
    schema = File.model_json_schema()
    shapes = schema["$defs"]
    for model in MODELS.values():
        _without(shapes[model.__name__], "id")
    for name in ("ContactMethod", "Place"):
        properties = shapes[name]["properties"]
        properties["address"] = _or_environment(properties["address"])
        items = properties["secrets"]["items"]
        properties["secrets"]["items"] = _or_environment(items)
    integration = shapes["Integration"]
    _without(integration, "key_hash")
    key = {"type": "string", "pattern": f"^{SECRET.pattern}$"}
    integration["properties"]["key"] = _or_environment(key)
    _with_kinds(shapes)
    # A text stands for itself.
    shapes["ListedValue"] = {"anyOf": [{"type": "string"}, shapes["ListedValue"]]}

    return {"$schema": DIALECT, **schema}


@cache
def schema_of(kind: ObjectKind) -> Mapping[str, Any]:
    """Return the JSON Schema of one object in a file."""
    if kind not in MODELS:
        return {}
    shapes = file_schema()["$defs"]

    return {"$ref": f"#/$defs/{MODELS[kind].__name__}", "$defs": shapes}


def _without(shape: dict[str, Any], name: str) -> None:
    del shape["properties"][name]
    shape["required"] = [one for one in shape.get("required", ()) if one != name]


def _or_environment(shape: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [shape, FROM_ENVIRONMENT]}


def _with_kinds(shapes: dict[str, Any]) -> None:
    """Require the kind of every step: it tells them apart."""
    for one in shapes["Policy"]["properties"]["steps"]["items"]["oneOf"]:
        shape = shapes[one["$ref"].rpartition("/")[2]]
        shape["required"] = ["kind", *shape.get("required", ())]
