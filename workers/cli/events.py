"""What came in: `rung event rejected`."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.common import on_store
from workers.cli.output import AsJson, print_json, print_table

if TYPE_CHECKING:
    from engine.ports import RejectedEvent
    from workers.bootstrap import Installation

LIMIT, LIMIT_MAX = 20, 10_000
NOBODY = "-"

app = typer.Typer(help="What came to ingest addresses.", no_args_is_help=True)


@app.callback()
def _events() -> None:
    """Look at what came to ingest addresses."""


@app.command()
def rejected(
    integration: Annotated[
        str | None, typer.Option(help="Only those of this integration, by its id.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=LIMIT_MAX, help="So many at most.")
    ] = LIMIT,
    as_json: AsJson = False,
) -> None:
    """
    List what could not be taken, and why, the newest first.

    With --json it shows the beginnings of the bodies too, secrets masked.

    Example: rung event rejected --integration prometheus
    """

    async def read(installation: "Installation") -> Sequence["RejectedEvent"]:
        wanted: list[str | None] = [integration]
        if integration is None:
            directory = await installation.configuration.latest()
            wanted = [*directory.integrations, None]
        return await installation.rejected_events.latest(wanted, limit)

    events = on_store(read)
    if as_json:
        print_json(
            [
                {**asdict(event), "at": event.at.isoformat().replace("+00:00", "Z")}
                for event in events
            ]
        )
        return
    print_table(
        {
            "AT": [f"{event.at:%Y-%m-%d %H:%M:%S}" for event in events],
            "INTEGRATION": [event.integration or NOBODY for event in events],
            "SOURCE": [event.source or NOBODY for event in events],
            "REASON": [event.reason for event in events],
            "SIZE": [event.size for event in events],
            "DETAIL": [event.detail for event in events],
        }
    )
