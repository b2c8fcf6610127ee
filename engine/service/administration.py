"""
Administration: what is configured is changed, one object at a time, on any surface.

An object that comes from a file is changed in the file; one that does not fit the
others is refused with the path of each field; what was changed by others meanwhile is
read again, so that two who change different things both get their way.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from engine.directory import (
    Directory,
    ObjectKind,
    Place,
    Scope,
    Token,
    User,
    token_id_of,
)
from engine.directory.checks import WORDS, Checks, Problem
from engine.errors import ConfigurationContendedError
from engine.ports import Configuration
from engine.service.object_errors import (
    AlwaysThereError,
    InvalidObjectError,
    LastAdminError,
    ObjectExistsError,
    OwnedByFileError,
    UnknownObjectError,
)

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

# Each time somebody else was faster; more in a row is no coincidence any more.
ATTEMPTS_MAX = 8
SETTINGS = "settings"
# Policies name them wherever they name no urgency of their own.
ALWAYS_THERE: Mapping[ObjectKind, frozenset[str]] = {
    ObjectKind.URGENCIES: frozenset({"high", "low"})
}
# What the checks call the people of a schedule, which is a list and no record.
PEOPLE = "people"

# Given a channel and an address, what is wrong with it, if anything is.
JudgeAddress = Callable[[str, str], str | None]
# Given the directory as it is, the id of an object and what it shall be.
Compose = Callable[[Directory], tuple[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """
    What was written.

    Attributes:
        directory: All there is now.
        is_new: Whether there was no such object before.
    """

    id: str
    value: Any
    directory: Directory
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Administration:
    """
    Changes the configuration.

    Attributes:
        judge_address: Says what is wrong with an address on a channel.
        has_schedules: Whether every schedule is in the directory.
        keeps_an_admin: Whether the last valid token with the scope admin stays, so
            that nobody locks everybody out.
    """

    configuration: Configuration
    judge_address: JudgeAddress
    has_schedules: bool = True
    keeps_an_admin: bool = True

    async def put(self, kind: ObjectKind, compose: Compose, *, by: str) -> Written:
        """
        Write one object, in the place of what it was before.

        Args:
            kind: The kind of the object.
            compose: Called again whenever somebody else was faster; what it raises
                ends this, and nothing is written.
            by: Who does it, for the log.

        Raises:
            ObjectError: If it may not be, or does not fit.
            TryAgainError: If it was not written, or may have been.
        """

        def edit(before: Directory) -> Directory:
            object_id, value = compose(before)
            chosen[:] = [object_id, value]
            _refuse_owned(before, kind, object_id)
            after = _with(before, kind, {**before.objects(kind), object_id: value})
            self._check(before, after, kind, object_id)

            return after

        chosen: list[Any] = []
        before, after = await self._change(edit)
        object_id, value = chosen
        is_new = object_id not in before.objects(kind)
        log.info("object.written", kind=kind, id=_shown(kind, object_id), by=by)

        return Written(id=object_id, value=value, directory=after, is_new=is_new)

    async def remove(
        self, kind: ObjectKind, choose: Callable[[Directory], str], *, by: str
    ) -> None:
        """
        Remove one object; what names it names nobody from now on.

        Raises:
            ObjectError: If it may not be removed.
            TryAgainError: If it was not removed, or may have been.
        """

        def edit(before: Directory) -> Directory:
            object_id = choose(before)
            chosen[:] = [object_id]
            _refuse_owned(before, kind, object_id)
            if object_id in ALWAYS_THERE.get(kind, ()):
                raise AlwaysThereError(kind, object_id)
            rest = dict(before.objects(kind))
            if rest.pop(object_id, None) is None:
                raise UnknownObjectError(kind, object_id)

            return _with(before, kind, rest)

        chosen: list[str] = []
        await self._change(edit)
        log.info("object.removed", kind=kind, id=_shown(kind, chosen[0]), by=by)

    async def set_up(
        self, compose: Callable[[Directory], Mapping[str, str | None]], *, by: str
    ) -> Directory:
        """
        Set what holds for the installation as a whole: the default team, the catch-all.

        Raises:
            ObjectError: If a file says it, or it names nobody.
            TryAgainError: If it was not written, or may have been.
        """

        def edit(before: Directory) -> Directory:
            wanted = compose(before)
            for name, value in wanted.items():
                file = before.origins.get(f"{SETTINGS}/{name}")
                if file is not None and value != getattr(before, name):
                    raise OwnedByFileError("setting", name, file)
            after = before.model_copy(update=dict(wanted))
            _refuse(Checks(directory=after).problems_of_settings())

            return after

        _, after = await self._change(edit)
        log.info("settings.written", by=by)

        return after

    async def _change(
        self, edit: Callable[[Directory], Directory]
    ) -> tuple[Directory, Directory]:
        """Change the directory as it is by then; return it as it was, and as it is."""
        for _ in range(ATTEMPTS_MAX):
            before = await self.configuration.latest()
            after = edit(before)
            if self.keeps_an_admin and _has_admin(before) and not _has_admin(after):
                raise LastAdminError
            if after == before or await self.configuration.change(before, after):
                return before, after

        raise ConfigurationContendedError(ATTEMPTS_MAX)

    def _check(
        self, before: Directory, after: Directory, kind: ObjectKind, object_id: str
    ) -> None:
        checks = Checks(directory=after, has_schedules=self.has_schedules)
        is_list = kind is ObjectKind.ON_CALL
        problems = [
            Problem(path=PEOPLE + one.path, problem=one.problem) if is_list else one
            for one in checks.problems(kind, object_id)
        ]
        old = before.objects(kind).get(object_id)
        problems += self._of_addresses(old, after.objects(kind)[object_id])
        _refuse(problems)

    def _of_addresses(self, old: Any, new: Any) -> Iterator[Problem]:
        """Judge the addresses that are new; those that were there are judged by use."""
        known = {(channel, address) for _, channel, address in _addresses(old)}
        for path, channel, address in _addresses(new):
            if (channel, address) not in known:
                problem = self.judge_address(channel, address)
                if problem is not None:
                    yield Problem(path=path, problem=problem)


def new_token_in(directory: Directory, token: Token) -> tuple[str, Token]:
    """
    Return a token as an object to write.

    Raises:
        ObjectExistsError: If another one has its name: people revoke it by that.
    """
    if any(other.name == token.name for other in directory.tokens.values()):
        raise ObjectExistsError(ObjectKind.TOKENS, token.name)

    return token.hash, token


def _refuse(problems: Sequence[Problem]) -> None:
    if problems:
        raise InvalidObjectError(problems)


def _refuse_owned(directory: Directory, kind: ObjectKind, object_id: str) -> None:
    file = directory.origin_of(kind, object_id)
    if file is not None:
        raise OwnedByFileError(WORDS[kind], _shown(kind, object_id), file)


def _with(directory: Directory, kind: ObjectKind, objects: Any) -> Directory:
    return directory.model_copy(update={kind.value: objects})


def _has_admin(directory: Directory) -> bool:
    return any(
        Scope.ADMIN in token.scopes and directory.is_valid(token)
        for token in directory.tokens.values()
    )


def _addresses(one: Any) -> Iterator[tuple[str, str, str]]:
    """Yield path, channel and address of all that an object is reached by."""
    match one:
        case Place():
            yield "address", one.channel, one.address
        case User():
            for index, method in enumerate(one.contact_methods):
                path = f"contact_methods[{index}].address"
                yield path, method.channel, method.address
        case _:
            return


def _shown(kind: ObjectKind, object_id: str) -> str:
    """Return what may be said of an id: that of a token is the whole hash."""
    return token_id_of(object_id) if kind is ObjectKind.TOKENS else object_id
