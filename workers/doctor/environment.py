"""What can be said without Redis: settings, files, and the packages that are there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from ipaddress import ip_address

from typing_extensions import override

from engine.errors import EngineError
from workers.bootstrap import check_on_call_file, read_redis_address
from workers.doctor.findings import Finding, fine, judged, unsure, wrong
from workers.settings import Settings, SettingsError

LOCAL = frozenset({"localhost", ""})
WEB = ("http://", "https://")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """The versions of a package that rung was tried with."""

    package: str
    since: tuple[int, ...]
    before: tuple[int, ...] | None = None

    @override
    def __str__(self) -> str:
        least = f"{self.package}>={_written(self.since)}"

        return f"{least},<{_written(self.before)}" if self.before else least

    def holds(self, told: str) -> bool:
        """Tell whether a version is one of them."""
        number = tuple(int(part) for part in told.split(".") if part.isdecimal())

        return number >= self.since and (self.before is None or number < self.before)


def _written(number: tuple[int, ...]) -> str:
    return ".".join(map(str, number))


# As pyproject.toml has them: a resolver may have taken others all the same.
PINS = (
    Pin(package="arq", since=(0, 28), before=(0, 29)),
    Pin(package="redis", since=(5, 3), before=(6,)),
    Pin(package="tzdata", since=(2026, 6)),
)


def look_at_environment(
    settings: Settings, environment: Mapping[str, str]
) -> Iterator[Finding]:
    """Look at everything that needs no Redis."""
    unknown = settings.unknown_in(environment)
    yield judged(
        "settings",
        f"unknown: {', '.join(unknown)}" if unknown else "all are known",
        "correct the names: nobody reads these",
        is_fine=not unknown,
    )
    yield from _address_of_redis(settings)
    yield _public_url(settings)
    yield judged(
        "heartbeat",
        "an address is set" if settings.heartbeat_url else "no address is set",
        "set RUNG_HEARTBEAT_URL to a service that alarms when it is not asked: "
        "nobody else notices that pages do not go out",
        is_fine=settings.heartbeat_url is not None,
    )
    yield _on_call_file(settings)
    yield from map(_package, PINS)


def _address_of_redis(settings: Settings) -> Iterator[Finding]:
    """Look at how Redis is reached; its address is not quoted."""
    if settings.redis_url is None:
        yield fine("redis address", "the embedded one")
        return
    try:
        address = read_redis_address(settings.redis_url.get_secret_value())
    except SettingsError as error:
        yield unsure("redis address", "cannot be read", str(error))
        return
    if all(map(_is_local, address.hosts)):
        yield fine("redis address", "on this machine")
        return
    yield judged(
        "redis tls",
        _how_encrypted(
            is_encrypted=address.is_encrypted, is_checked=address.is_checked
        ),
        "use a rediss:// address (rediss+sentinel:// with Sentinels): alerts, and "
        "who is paged, pass in the clear",
        is_fine=address.is_encrypted and address.is_checked,
    )
    yield judged(
        "redis password",
        "is given" if address.has_password else "is not given",
        "give Redis a password: whoever reaches it can read and page everybody",
        is_fine=address.has_password,
    )


def _how_encrypted(*, is_encrypted: bool, is_checked: bool) -> str:
    if not is_encrypted:
        return "another machine, without encryption"

    return "encrypted" if is_checked else "encrypted, its certificate is not checked"


def _is_local(host: str) -> bool:
    if host in LOCAL:
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _public_url(settings: Settings) -> Finding:
    url, check = settings.public_url, "public url"
    remedy = (
        "set RUNG_PUBLIC_URL to the address that others reach rung by, like "
        "https://rung.example.com: pages link to it"
    )
    if url is None:
        return wrong(check, "is not set", remedy)

    return judged(check, url, remedy, is_fine=url.startswith(WEB))


def _on_call_file(settings: Settings) -> Finding:
    if settings.on_call_file is None:
        return fine("on-call file", "none: the directory tells")
    try:
        check_on_call_file(settings.on_call_file)
    except EngineError as error:
        return wrong("on-call file", str(error), "correct the file")

    return fine("on-call file", str(settings.on_call_file))


def _package(pin: Pin) -> Finding:
    check = f"package {pin.package}"
    try:
        told = version(pin.package)
    except PackageNotFoundError:
        return wrong(check, "is not installed", f"install {pin}")

    return judged(check, told, f"install {pin}", is_fine=pin.holds(told))
