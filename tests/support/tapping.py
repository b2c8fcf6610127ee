"""A port at the end of a line that hears of each of its calls, before and after it."""

from inspect import iscoroutinefunction
from typing import Any, Protocol

from anyio.lowlevel import checkpoint


class Line(Protocol):
    """Lies between a process and its ports."""

    def before(self, name: str, arguments: tuple[Any, ...], /) -> None:
        """Let a call go on its way; whatever this raises comes in its place."""
        ...

    def after(self, name: str, arguments: tuple[Any, ...], answer: Any, /) -> None:
        """Let the answer back; whatever this raises comes in its place."""
        ...


class Tapped:
    """A port at the end of a line; it has the methods of whatever it is."""

    def __init__(self, name: str, port: object, line: Line) -> None:
        self._name = name
        self._port = port
        self._line = line

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if not callable(found):
            return found
        line, called = self._line, f"{self._name}.{name}"

        def call(*arguments: Any, **named: Any) -> Any:
            line.before(called, arguments)
            answer = found(*arguments, **named)
            line.after(called, arguments, answer)

            return answer

        async def call_and_wait(*arguments: Any, **named: Any) -> Any:
            # What else the process does goes on meanwhile: several sends are in flight.
            await checkpoint()
            line.before(called, arguments)
            answer = await found(*arguments, **named)
            line.after(called, arguments, answer)

            return answer

        made = call_and_wait if iscoroutinefunction(found) else call
        setattr(self, name, made)

        return made
