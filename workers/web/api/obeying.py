"""Obeying: from a request to a command, and from what was decided to an answer."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from pydantic import BaseModel, ValidationError

from engine.core.events import Attached, Command, Detached
from engine.core.incident import Decision
from engine.core.reasons import Reason
from engine.directory import Token
from engine.directory.checks import Problem
from engine.ids import read_incident_id
from workers.orders import OrderError, Orders
from workers.web.api.command_bodies import BY_MAX, CommandBody
from workers.web.api.shapes import CommandAnswer
from workers.web.auth import WriteToken
from workers.web.bodies import parse_json, read_body
from workers.web.context import Context, WebContext
from workers.web.idempotency import command_id
from workers.web.problems import ProblemError, invalid
from workers.web.text import one_line

B = TypeVar("B", bound=BaseModel)
C = TypeVar("C", bound=Command)


class Order:
    """A command on an incident, as a request states it."""

    def __init__(
        self, incident_id: str, request: Request, context: WebContext, token: Token
    ) -> None:
        self.incident_id = incident_id
        self.context = context
        self._request = request
        self._token = token

    async def read(self, body: type[B], *, is_required: bool = False) -> B:
        """
        Read the body; a command may go without one, unless nothing means something.

        Raises:
            ProblemError: If it cannot be taken, or a value in it is not valid.
        """
        raw = await read_body(
            self._request, self.context.body_bytes_max, self.context.patience_seconds
        )
        parsed = parse_json(raw) if is_required or raw.strip() else None
        sent = {} if parsed is None and not is_required else parsed
        try:
            return body.model_validate(sent)
        except ValidationError as error:
            raise invalid(error.errors()) from None

    def command(self, kind: type[C], body: CommandBody, **fields: Any) -> C:
        """Make the command that is asked for."""
        by = one_line(body.by or "", BY_MAX) or self._token.user or self._token.name
        name = command_id(self.context, self._token, kind.__name__, self._request)
        said = {"by": by, **fields}

        return kind(at=self.context.clock.now(), id=name, **said)

    async def decide(self, command: Command) -> Decision:
        """Have it carried out; sent again, it means what it meant the first time."""
        decision = await self._carried_out(command)
        if decision.reason is Reason.REPEATED_COMMAND:
            first = await self._first_reason(command.id)
            return replace(decision, reason=first)

        return decision

    async def obey(self, command: Command) -> CommandAnswer:
        """Have it carried out, and show the incident."""
        decision = await self.decide(command)

        return CommandAnswer.after(decision, self.context.public_url)

    async def orders(self) -> Orders:
        """Return what holds an order against the directory."""
        return Orders(
            directory=await self.context.configuration.read(),
            channels=self.context.engine.channels,
            has_schedules=self.context.has_schedules,
        )

    async def _carried_out(self, command: Command) -> Decision:
        engine = self.context.engine
        match command:
            case Attached():
                return await engine.attach(self.incident_id, command)
            case Detached():
                return await engine.detach(self.incident_id, command)
            case _:
                return await engine.obey(self.incident_id, command)

    async def _first_reason(self, name: str) -> Reason:
        """Return what was answered when the command came first."""
        history = await self.context.reader.history(self.incident_id)
        reasons = (
            entry.reason
            for entry in history
            if getattr(entry.event, "id", None) == name
        )

        return next(reasons, Reason.REPEATED_COMMAND)


async def order_of(
    incident_id: str, request: Request, context: Context, token: WriteToken
) -> Order:
    """Return the order of a request; an id that is none is as unknown as any other."""
    return Order(read_incident_id(incident_id), request, context, token)


Ordered = Annotated[Order, Depends(order_of)]


@contextmanager
def held_against() -> Iterator[None]:
    """Hold an order against what there is; what is wrong with it is answered 422."""
    try:
        yield
    except OrderError as error:
        raise refused(error.problems) from None


def refused(problems: Sequence[Problem]) -> ProblemError:
    """Say which fields cannot be as they are."""
    return invalid({"loc": (one.path,), "msg": one.problem} for one in problems)
