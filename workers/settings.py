"""
Settings: all that comes from the environment.

`REDIS_URL`, `PORT` and `RUNG_*`. An empty value is as good as none.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails
from typing_extensions import override

from engine.ids import SHARDS_MAX
from policies.durations import Duration

MEBIBYTE = 1 << 20
NETWORKS = "10.0.0.0/8,fd00::/8"
REPLICAS_MAX = 9
AN_HOUR = timedelta(hours=1)
# A host, perhaps a port, perhaps a path below which a proxy has us.
PUBLIC_URL = re.compile(
    r"https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*/?",
    re.IGNORECASE,
)


# Names that begin like ours and are read elsewhere.
READ_ELSEWHERE = frozenset({"RUNG_REDIS_SERVER"})


def check_url(url: SecretStr | None) -> SecretStr | None:
    """Refuse what is no address; the message does not quote it, it may be a secret."""
    if url is not None and not re.match(r"https?://[^/\s]", url.get_secret_value()):
        message = "write it like https://host/path"
        raise ValueError(message)

    return url


def check_public_url(url: str | None) -> str | None:
    """
    Return the address that others reach us by, without a slash at its end.

    Raises:
        ValueError: If links could not be made of it. It is not quoted.
    """
    if url is None:
        return url
    if not PUBLIC_URL.fullmatch(url):
        message = (
            "write it like https://rung.example.com, without user, query or fragment"
        )
        raise ValueError(message)

    return url.rstrip("/")


class SettingsError(Exception):
    """The environment holds values that cannot be used; one line for each."""


class _Word(StrEnum):
    """A word of which the case does not matter."""

    @classmethod
    @override
    def _missing_(cls, value: object) -> Self | None:
        lower = str(value).lower()

        return next((member for member in cls if member.value == lower), None)


class LogFormat(_Word):
    """How a line of the log is written."""

    JSON = "json"
    CONSOLE = "console"


class LogLevel(_Word):
    """What is worth a line of the log."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def read_networks(text: object) -> object:
    """
    Read networks that are separated by commas.

    Raises:
        ValueError: If some are none; they are named, with how to write them.
    """
    if not isinstance(text, str):
        return text
    parts = [part.strip() for part in text.split(",") if part.strip()]
    networks = {part: _network(part) for part in parts}
    wrong = [part for part, network in networks.items() if network is None]
    if wrong:
        message = f"no networks: {', '.join(wrong)}; write them like {NETWORKS}"
        raise ValueError(message)

    return tuple(networks.values())


def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text)
    except ValueError:
        return None


class Settings(BaseModel):
    """
    What the environment says.

    Attributes:
        redis_url: None: `rung up` starts a Redis of its own.
        config_dir: `rung up` applies the files in it at its start.
        host: The address that web listens on; this machine only, unless said.
        on_call: The entry point of the look-up that knows who is on call.
        memory_limit: In bytes; only for a Redis that has no maxmemory itself.
        webhook_allow: Internal networks that webhooks may be in.
        retention: For how long a closed incident is kept.
        heartbeat_url: Is asked for once a minute while all is well.
        replicas: How many must have what is promised to senders and people.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    redis_url: Annotated[SecretStr | None, Field(alias="REDIS_URL")] = None
    port: Annotated[int, Field(alias="PORT", ge=0, le=65_535)] = 8080
    host: Annotated[str, Field(alias="RUNG_HOST")] = "127.0.0.1"
    data_dir: Annotated[Path, Field(alias="RUNG_DATA_DIR")] = Path(".rung")
    config_dir: Annotated[Path | None, Field(alias="RUNG_CONFIG_DIR")] = None
    on_call_file: Annotated[Path | None, Field(alias="RUNG_ON_CALL_FILE")] = None
    on_call: Annotated[str | None, Field(alias="RUNG_ON_CALL")] = None
    public_url: Annotated[
        str | None, Field(alias="RUNG_PUBLIC_URL"), AfterValidator(check_public_url)
    ] = None
    log_level: Annotated[LogLevel, Field(alias="RUNG_LOG_LEVEL")] = LogLevel.INFO
    log_format: Annotated[LogFormat, Field(alias="RUNG_LOG_FORMAT")] = LogFormat.JSON
    shards: Annotated[int, Field(alias="RUNG_SHARDS", ge=1, le=SHARDS_MAX)] = 16
    memory_limit: Annotated[
        int | None, Field(alias="RUNG_MEMORY_LIMIT", ge=MEBIBYTE)
    ] = None
    body_bytes_max: Annotated[int, Field(alias="RUNG_BODY_BYTES_MAX", ge=1024)] = (
        MEBIBYTE
    )
    webhook_allow: Annotated[
        tuple[IPv4Network | IPv6Network, ...],
        Field(alias="RUNG_WEBHOOK_ALLOW"),
        BeforeValidator(read_networks),
    ] = ()
    retention: Annotated[Duration, Field(alias="RUNG_RETENTION", ge=AN_HOUR)] = (
        timedelta(days=30)
    )
    heartbeat_url: Annotated[
        SecretStr | None,
        Field(alias="RUNG_HEARTBEAT_URL"),
        AfterValidator(check_url),
    ] = None
    replicas: Annotated[int, Field(alias="RUNG_REPLICAS", ge=0, le=REPLICAS_MAX)] = 0

    @model_validator(mode="after")
    def _one_look_up(self) -> Self:
        if self.on_call is not None and self.on_call_file is not None:
            message = (
                "RUNG_ON_CALL and RUNG_ON_CALL_FILE both say who is on call: unset one"
            )
            raise ValueError(message)

        return self

    @property
    def has_schedules(self) -> bool:
        """Whether the schedules are those of the directory, and no others."""
        return self.on_call is None and self.on_call_file is None

    @classmethod
    def unknown_in(cls, environment: Mapping[str, str]) -> list[str]:
        """Return the names that look like settings and are none: misspelt, perhaps."""
        known = {field.alias for field in cls.model_fields.values()} | READ_ELSEWHERE

        return sorted(
            name
            for name in environment
            if name.startswith("RUNG_") and name not in known
        )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """
        Read the settings.

        Raises:
            SettingsError: If a variable cannot be used; a line names each of them.
        """
        names = {field.alias for field in cls.model_fields.values()}
        given = {
            name: value
            for name, value in environment.items()
            if name in names and value
        }
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise SettingsError("\n".join(map(_line_of, error.errors()))) from None


def _line_of(problem: ErrorDetails) -> str:
    """Write what is wrong as a line; what was given is not quoted."""
    said = problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:
        return said

    return f"{problem['loc'][0]}: {said}; correct it or unset it"
