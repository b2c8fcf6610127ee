"""Settings of the installation as a whole: default team and catch-all policy."""

from typing import Self

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from engine.directory import Directory
from engine.directory.record import Record
from engine.service.administration import SETTINGS
from policies.targets import Name
from workers.web.api.objects.resource import Shown
from workers.web.api.objects.routes import (
    LISTING,
    REPLACING,
    WITH_ETAG,
    read_object,
)
from workers.web.auth import AdminToken, ReadToken
from workers.web.context import Context
from workers.web.etags import Conditions, Reading, Replacing, content_of, etag_of
from workers.web.openapi import described_body

NAMES = ("default_team", "catch_all")


class SettingsBody(Record):
    """
    What holds for the installation as a whole.

    Attributes:
        default_team: The team of incidents that have none of their own.
        catch_all: The policy that exhausted incidents walk at last.
    """

    default_team: Name | None
    catch_all: Name | None
    origins: Shown = None


class SettingsAnswer(BaseModel):
    """
    What holds for the installation as a whole.

    Attributes:
        origins: The files that settings come from, by the names of the settings.
    """

    default_team: str | None
    catch_all: str | None
    origins: dict[str, str]

    @classmethod
    def of(cls, directory: Directory) -> Self:
        """Show the settings."""
        files = {name: directory.origins.get(f"{SETTINGS}/{name}") for name in NAMES}

        return cls(
            default_team=directory.default_team,
            catch_all=directory.catch_all,
            origins={name: file for name, file in files.items() if file is not None},
        )


router = APIRouter(prefix="/v1/settings", tags=["settings"])


@router.get("", response_model=SettingsAnswer, responses=LISTING)
async def show_settings(
    context: Context, _token: ReadToken, conditions: Reading
) -> Response:
    """Show what holds for the installation as a whole."""
    directory = await context.configuration.latest()

    return conditions.answer(SettingsAnswer.of(directory))


@router.put(
    "",
    response_model=SettingsAnswer,
    responses={**WITH_ETAG, **REPLACING},
    openapi_extra=described_body(
        SettingsBody, {"default_team": None, "catch_all": "default"}
    ),
)
async def put_settings(
    request: Request, context: Context, token: AdminToken, conditions: Replacing
) -> Response:
    """Replace what holds for the installation as a whole."""
    body = await read_object(request, context, SettingsBody)

    def compose(directory: Directory) -> dict[str, str | None]:
        conditions.check(etag_of(content_of(SettingsAnswer.of(directory))))

        return {name: getattr(body, name) for name in NAMES}

    written = await context.administration.set_up(compose, by=token.name)

    return Conditions().answer(SettingsAnswer.of(written))
