"""Putting what files say in the place of what is stored: all of it, or nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from engine.directory import Directory, hash_secret
from engine.directory.checks import Checks
from engine.directory.drafts import Draft, Judge, mistakes_among
from engine.directory.file_form import SETTINGS
from engine.directory.plan import Plan, plan
from engine.errors import ConfigurationContendedError
from engine.ports import Configuration
from policies.mistakes import Mistake
from workers.bootstrap import judge_address
from workers.secret_files import key_file, read_or_make
from workers.settings import Settings

# Somebody changes something at the same moment; that many times in a row it is a fight.
TRIES_MAX = 5


class MistakesError(Exception):
    """Files that cannot be applied; one line for each mistake."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__("\n".join(map(str, mistakes)))
        self.mistakes = tuple(mistakes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """
    How files are applied.

    Attributes:
        data_directory: Where keys are made for integrations that have none.
        adopt: Whether the files get what they write and the API has made.
        has_schedules: Whether every schedule is in the directory.
        judge_address: Says what is wrong with an address.
    """

    data_directory: Path
    adopt: bool = False
    has_schedules: bool = True
    judge_address: Judge | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """
    What was applied.

    Attributes:
        directory: As it is stored now.
        keys: The files that hold keys which integrations got, by integration.
        is_done: False: it was not wanted.
    """

    plan: Plan
    directory: Directory
    keys: dict[str, Path]
    is_done: bool = True


def rules_of(settings: Settings, *, adopt: bool = False) -> Rules:
    """Return how files are applied where these settings hold."""
    return Rules(
        data_directory=settings.data_dir,
        adopt=adopt,
        has_schedules=settings.has_schedules,
        judge_address=partial(judge_address, allowed=settings.webhook_allow),
    )


def planned(stored: Directory, draft: Draft, rules: Rules) -> Plan:
    """
    Say what a draft changes.

    Raises:
        MistakesError: If anything is wrong with it, or somebody else's.
    """
    made = plan(stored, draft, adopt=rules.adopt)
    among = mistakes_among(
        draft,
        made.after,
        has_schedules=rules.has_schedules,
        judge_address=rules.judge_address,
    )
    left = _left_dangling(stored, made.after)
    mistakes = [*draft.mistakes, *made.conflicts, *among, *left]
    if mistakes:
        raise MistakesError(mistakes)

    return made


def _left_dangling(before: Directory, after: Directory) -> list[Mistake]:
    """Say which settings of the API would name something that files take away."""
    known = Checks(directory=before).problems_of_settings()

    return [
        Mistake(file="", line=None, path=f"{SETTINGS}.{one.path}", problem=one.problem)
        for one in Checks(directory=after).problems_of_settings()
        if one not in known and f"{SETTINGS}/{one.path}" not in after.origins
    ]


async def apply_files(
    configuration: Configuration,
    draft: Draft,
    rules: Rules,
    is_wanted: Callable[[Plan], bool] = lambda _plan: True,
    also: Callable[[Directory], Directory] = lambda directory: directory,
) -> Applied:
    """
    Put what files say in the place of what is stored.

    Args:
        configuration: What is stored.
        draft: What the files say.
        rules: How they are applied.
        is_wanted: Asked of every plan before it is carried out; after a change by
            somebody else there is another one.
        also: What else is to be stored with it.

    Raises:
        MistakesError: If anything is wrong with it; nothing is stored then.
        ConfigurationContendedError: If somebody else changed the directory each time.
        SecretsError: If a key cannot be made.
        StoreUnavailableError: If it was not stored, or may have been; do it again.
    """
    for _ in range(TRIES_MAX):
        stored = await configuration.latest()
        made = planned(stored, draft, rules)
        if not is_wanted(made):
            return Applied(plan=made, directory=stored, keys={}, is_done=False)
        keys = {name: key_file(rules.data_directory, name) for name in made.without_key}
        hashes = {name: hash_secret(read_or_make(path)) for name, path in keys.items()}
        after = also(made.with_keys(hashes))
        if after == stored:
            return Applied(plan=made, directory=stored, keys=keys)
        if await configuration.change(stored, after):
            stored = await configuration.latest()
            return Applied(plan=made, directory=stored, keys=keys)
    raise ConfigurationContendedError(TRIES_MAX)
