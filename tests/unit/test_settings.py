"""The environment: what need not be said, what cannot be used, what is not shown."""

import traceback
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from workers.settings import LogFormat, LogLevel, Settings, SettingsError

MEBIBYTE = 1_048_576
VARIABLES = [
    ("REDIS_URL", "redis://h:6379/1", "redis_url", SecretStr("redis://h:6379/1")),
    ("PORT", "9090", "port", 9090),
    ("RUNG_HOST", "::1", "host", "::1"),
    ("RUNG_DATA_DIR", "data/rung", "data_dir", Path("data/rung")),
    ("RUNG_CONFIG_DIR", "config", "config_dir", Path("config")),
    ("RUNG_ON_CALL_FILE", "on_call.yaml", "on_call_file", Path("on_call.yaml")),
    ("RUNG_ON_CALL", "rota", "on_call", "rota"),
    ("RUNG_PUBLIC_URL", "https://rung", "public_url", "https://rung"),
    ("RUNG_LOG_LEVEL", "warning", "log_level", LogLevel.WARNING),
    ("RUNG_LOG_FORMAT", "console", "log_format", LogFormat.CONSOLE),
    ("RUNG_SHARDS", "4", "shards", 4),
    ("RUNG_MEMORY_LIMIT", "268435456", "memory_limit", 256 * MEBIBYTE),
    ("RUNG_BODY_BYTES_MAX", "65536", "body_bytes_max", 65_536),
    (
        "RUNG_WEBHOOK_ALLOW",
        "10.0.0.0/8, 192.0.2.7,fd00::/8,",
        "webhook_allow",
        (ip_network("10.0.0.0/8"), ip_network("192.0.2.7"), ip_network("fd00::/8")),
    ),
    ("RUNG_RETENTION", "90d", "retention", timedelta(days=90)),
    ("RUNG_HEARTBEAT_URL", "https://h/1", "heartbeat_url", SecretStr("https://h/1")),
    ("RUNG_REPLICAS", "1", "replicas", 1),
]
NAMES = [name for name, *_ in VARIABLES]


def refusal(**environment: str) -> SettingsError:
    """Return the error that an environment ends with."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(environment)

    return caught.value


@pytest.mark.parametrize(("name", "value", "attribute", "expected"), VARIABLES)
def test_read(name: str, value: str, attribute: str, expected: object) -> None:
    """Each variable sets one thing and leaves the others as they were."""
    settings = Settings.from_environment({name: value})

    assert {attribute} == set(settings.model_dump(exclude_defaults=True))
    assert expected == getattr(settings, attribute)


def test_all_are_read() -> None:
    """The table above names every variable that there is."""
    assert NAMES == [field.alias for field in Settings.model_fields.values()]


def test_defaults() -> None:
    """Nothing has to be said: one machine, this machine only, a line of JSON each."""
    assert {
        "redis_url": None,
        "port": 8080,
        "host": "127.0.0.1",
        "data_dir": Path(".rung"),
        "config_dir": None,
        "on_call_file": None,
        "on_call": None,
        "public_url": None,
        "log_level": LogLevel.INFO,
        "log_format": LogFormat.JSON,
        "shards": 16,
        "memory_limit": None,
        "body_bytes_max": MEBIBYTE,
        "webhook_allow": (),
        "retention": "30d",
        "heartbeat_url": None,
        "replicas": 0,
    } == Settings.from_environment({}).model_dump()


@pytest.mark.parametrize("name", NAMES)
def test_empty(name: str) -> None:
    """An empty value is as good as none: `PORT= rung up` works."""
    assert Settings.from_environment({}) == Settings.from_environment({name: ""})


@pytest.mark.parametrize(
    "name", ["PATH", "RUNG_NO_SUCH_THING", "port", "shards", "rung_shards"]
)
def test_others(name: str) -> None:
    """A variable that is nobody's, or ours in another case, is not read."""
    assert Settings.from_environment({}) == Settings.from_environment({name: "7"})


@pytest.mark.parametrize(
    ("name", "value", "attribute"),
    [
        ("PORT", "0", "port"),
        ("PORT", "65535", "port"),
        ("RUNG_SHARDS", "1", "shards"),
        ("RUNG_SHARDS", "256", "shards"),
        ("RUNG_MEMORY_LIMIT", "1048576", "memory_limit"),
        ("RUNG_BODY_BYTES_MAX", "1024", "body_bytes_max"),
    ],
)
def test_bounds(name: str, value: str, attribute: str) -> None:
    """The bounds themselves are allowed; port 0 means any free one."""
    settings = Settings.from_environment({name: value})

    assert int(value) == getattr(settings, attribute)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "-1"),
        ("PORT", "65536"),
        ("PORT", "http"),
        ("RUNG_SHARDS", "0"),
        ("RUNG_SHARDS", "257"),
        ("RUNG_SHARDS", "16.5"),
        ("RUNG_MEMORY_LIMIT", "1048575"),
        ("RUNG_MEMORY_LIMIT", "512mb"),
        ("RUNG_BODY_BYTES_MAX", "1023"),
        ("RUNG_RETENTION", "59m"),
        ("RUNG_REPLICAS", "-1"),
        ("RUNG_HEARTBEAT_URL", "foo"),
        ("RUNG_PUBLIC_URL", "rung.example.com"),
        ("RUNG_PUBLIC_URL", "ftp://rung.example.com"),
        ("RUNG_PUBLIC_URL", "https://"),
        ("RUNG_PUBLIC_URL", "https://rung.example.com/?a=b"),
        ("RUNG_PUBLIC_URL", "https://rung.example.com/#a"),
        ("RUNG_PUBLIC_URL", "https://user:hush@rung.example.com"),
        ("RUNG_PUBLIC_URL", "https://rung.example.com//a"),
        ("RUNG_PUBLIC_URL", "https://rung example.com"),
        ("RUNG_PUBLIC_URL", "https://rung.example.com\n"),
        ("RUNG_PUBLIC_URL", "https://rung.example.com:port"),
        ("RUNG_HEARTBEAT_URL", "ftp://host/1"),
        ("RUNG_REPLICAS", "10"),
        ("RUNG_RETENTION", "a month"),
        ("RUNG_LOG_LEVEL", "verbose"),
        ("RUNG_LOG_FORMAT", "xml"),
        ("RUNG_WEBHOOK_ALLOW", "intranet"),
        ("RUNG_WEBHOOK_ALLOW", "10.0.0.0/33"),
    ],
)
def test_refused(name: str, value: str) -> None:
    """What cannot be used is refused in one line: which variable, what to do."""
    [line] = str(refusal(**{name: value})).splitlines()

    assert line.startswith(f"{name}: ")
    assert line.endswith("; correct it or unset it")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("https://rung.example.com/", "https://rung.example.com"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("https://[2001:db8::1]:8443/a/rung/", "https://[2001:db8::1]:8443/a/rung"),
        ("HTTPS://Rung.example.com", "HTTPS://Rung.example.com"),
    ],
)
def test_public_url(given: str, expected: str) -> None:
    """Links begin with it; a proxy may have us below a path."""
    assert expected == Settings.from_environment({"RUNG_PUBLIC_URL": given}).public_url


def test_networks_that_are_none() -> None:
    """Each of several networks that are none is named, with how to write one."""
    told = str(refusal(RUNG_WEBHOOK_ALLOW="10.0.0.1/8,10.0.0.0/8,intranet"))

    assert (
        "RUNG_WEBHOOK_ALLOW: no networks: 10.0.0.1/8, intranet; write them like "
        "10.0.0.0/8,fd00::/8; correct it or unset it"
    ) == told


def test_all_refused_at_once() -> None:
    """Every variable that cannot be used has a line, so one start shows them all."""
    told = str(refusal(PORT="http", RUNG_SHARDS="0", RUNG_LOG_FORMAT="xml"))

    assert ["PORT", "RUNG_LOG_FORMAT", "RUNG_SHARDS"] == [
        line.partition(":")[0] for line in told.splitlines()
    ]


def test_refused_value_is_not_shown() -> None:
    """A secret that was put into the wrong variable appears in no traceback."""
    error = refusal(PORT="redis://:hush@store", RUNG_SHARDS="hush")

    assert "hush" not in "".join(traceback.format_exception(error))


def test_password_is_not_shown() -> None:
    """The password of Redis is given out only when it is asked for."""
    settings = Settings.from_environment({"REDIS_URL": "redis://:hush@store"})

    assert "hush" not in f"{settings} {settings!r} {settings.model_dump_json()}"
    assert settings.redis_url is not None
    assert "redis://:hush@store" == settings.redis_url.get_secret_value()


def test_frozen() -> None:
    """Settings stay as the process found them."""
    settings = Settings.from_environment({})

    with pytest.raises(ValidationError, match="frozen"):
        settings.port = 1  # type: ignore[misc]


def test_misspelt() -> None:
    """What begins like a setting of ours and is none is told, and nothing else."""
    environment = {
        "RUNG_REPLICA": "1",
        "RUNG_REPLICAS": "1",
        "RUNG_REDIS_SERVER": "/usr/bin/redis-server",
        "PATH": "/bin",
        "RUNGS": "3",
    }

    assert ["RUNG_REPLICA"] == Settings.unknown_in(environment)


def test_two_look_ups() -> None:
    """Only one can say who is on call; both names are told, and neither value."""
    problem = refusal(RUNG_ON_CALL="rota", RUNG_ON_CALL_FILE="on_call.yaml")

    assert (
        "RUNG_ON_CALL and RUNG_ON_CALL_FILE both say who is on call: unset one"
        == str(problem)
    )


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, True),
        ({"RUNG_ON_CALL": "rota"}, False),
        ({"RUNG_ON_CALL_FILE": "on_call.yaml"}, False),
    ],
)
def test_whose_schedules(environment: dict[str, str], expected: bool) -> None:  # noqa: FBT001 - a table's column
    """Which schedules there are is known only as long as the directory has them."""
    assert expected is Settings.from_environment(environment).has_schedules
