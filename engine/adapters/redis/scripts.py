"""
The scripts, loaded from lua/.

Before each stand its constants and lua/common.lua. What arq lends is put in as
constants, so that a call carries none of it.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files

from engine.adapters.redis import keys
from engine.adapters.redis.wakes import WakeJobs


class Name(StrEnum):
    """The file names in lua/."""

    APPEND = "append"
    ARM = "arm"
    AUDIT = "audit"
    BACKLOG = "backlog"
    CLAIM = "claim"
    COMMIT = "commit"
    CONFIGURE = "configure"
    DIRECTORY = "directory"
    HEADS = "heads"
    HISTORY = "history"
    HOLD = "hold"
    KEY_BEGIN = "key_begin"
    KEY_END = "key_end"
    LOAD = "load"
    MEASURE = "measure"
    OUT_BEGIN = "out_begin"
    OUT_CLAIM = "out_claim"
    OUT_FINISH = "out_finish"
    OUT_RENEW = "out_renew"
    PACK = "pack"
    POST = "post"
    PROBE = "probe"
    PURGE = "purge"
    RELEASE = "release"
    RESTORE = "restore"
    SWEEP = "sweep"
    TURN = "turn"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class Script:
    """The text of a script and the name that Redis gives it."""

    text: str
    sha: str

    @classmethod
    def of(cls, text: str) -> "Script":
        """Name a text as Redis does."""
        return cls(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


def load_scripts(wakes: WakeJobs) -> dict[Name, Script]:
    """Read every script."""
    folder = files("engine.adapters.redis") / "lua"
    head = _constants(wakes) + (folder / "common.lua").read_text()

    return {
        name: Script.of(head + (folder / f"{name}.lua").read_text()) for name in Name
    }


def _constants(wakes: WakeJobs) -> str:
    texts = {
        "SHARD": keys.SHARD.encode(),
        "KICK": keys.KICK.encode(),
        "QUEUE": wakes.queue.encode(),
        "JOB_PREFIX": wakes.job_prefix.encode(),
        "ID_PREFIX": wakes.id_prefix.encode(),
        "PAYLOAD": wakes.payload,
    }
    numbers = {
        "BUCKET": wakes.bucket_ms,
        "AHEAD": wakes.ahead_ms,
        "HORIZON": wakes.horizon_ms,
        "KEPT": wakes.kept_ms,
    }
    lines = [f"local {name} = '{_quoted(text)}'" for name, text in texts.items()]
    lines += [f"local {name} = {number}" for name, number in numbers.items()]

    return "\n".join(lines) + "\n"


def _quoted(text: bytes) -> str:
    """Write bytes as the inside of a Lua string, whatever they are."""
    return "".join(f"\\{byte:03d}" for byte in text)
