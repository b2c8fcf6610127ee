"""Comments: what people write, and instructions whose boxes they tick."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from engine.core.checklists import post as post_instructions
from engine.core.effects import Comment
from engine.core.events import CommentEdited, WokeUp
from engine.core.reasons import Reason
from engine.ports import Entry
from policies.steps import InstructionsStep
from tests.web.fakes import (
    ALICE_SECRET,
    INCIDENT_ID,
    NOW,
    READ_SECRET,
    SHOWN_ID,
    World,
    an_incident,
)

ALICE = {"Authorization": f"Bearer {ALICE_SECRET}"}
READER = {"Authorization": f"Bearer {READ_SECRET}"}
COMMENTS = f"/v1/incidents/{SHOWN_ID}/comments"
CHECKLIST_ID = "1.0.1.1"
TEXT = "First:\n- [ ] look at the disk\n- [x] breathe"


@pytest.fixture
def world() -> World:
    """Return a world of one incident, to which instructions were posted."""
    world = World()
    step = InstructionsStep(text=TEXT, remind_every=timedelta(minutes=5))
    posted, effects = post_instructions(an_incident(), step, CHECKLIST_ID, NOW)
    world.engine.incidents[INCIDENT_ID] = posted
    comments = tuple(one for one in effects if isinstance(one, Comment))
    world.engine.histories[INCIDENT_ID] = (
        Entry(
            event=WokeUp(at=NOW), reason=Reason.INSTRUCTIONS_POSTED, comments=comments
        ),
    )

    return world


async def listed(client: httpx2.AsyncClient) -> list[dict[str, Any]]:
    """Return the comments as they are listed."""
    answer = await client.get(COMMENTS, headers=READER)
    found: list[dict[str, Any]] = answer.json()["comments"]

    return found


async def test_instructions(client: httpx2.AsyncClient) -> None:
    """Instructions are listed with their boxes; a policy has no name to sign with."""
    assert [
        {
            "id": CHECKLIST_ID,
            "kind": "instructions",
            "text": TEXT,
            "boxes": [
                {"number": 1, "text": "look at the disk", "is_ticked": False},
                {"number": 2, "text": "breathe", "is_ticked": True},
            ],
            "at": "2026-11-22T00:41:10.500000Z",
            "by": None,
            "edited_at": None,
            "edited_by": None,
            "reminded_at": None,
        }
    ] == await listed(client)


async def test_reminded(client: httpx2.AsyncClient, world: World) -> None:
    """Instructions that were posted again are one comment, and tell when."""
    later = NOW + timedelta(minutes=5)
    known = world.engine.histories[INCIDENT_ID]
    again = replace(known[0], event=WokeUp(at=later), reason=Reason.REMINDED)
    world.engine.histories[INCIDENT_ID] = (*known, again)
    [comment] = await listed(client)

    assert ("2026-11-22T00:41:10.500000Z", "2026-11-22T00:46:10.500000Z") == (
        comment["at"],
        comment["reminded_at"],
    )


async def test_add(client: httpx2.AsyncClient) -> None:
    """A comment is kept as it was written, but for what moves a cursor."""
    body = {"text": " It is the disk\u202e.\nAgain. ", "by": "dora"}
    answer = await client.post(COMMENTS, headers=ALICE, json=body)
    [_, comment] = await listed(client)

    assert 201 == answer.status_code
    assert {"reason": "commented", "comment": comment} == answer.json()
    assert ("comment", "dora", "It is the disk .\nAgain.", []) == tuple(
        comment[name] for name in ("kind", "by", "text", "boxes")
    )


async def test_add_twice(client: httpx2.AsyncClient, world: World) -> None:
    """Sent again with its key it is one comment, also when its answer is forgotten."""
    headers = {**ALICE, "Idempotency-Key": "k1"}
    first = await client.post(COMMENTS, headers=headers, json={"text": "hm"})
    world.clock.advance(timedelta(days=1))
    again = await client.post(COMMENTS, headers=headers, json={"text": "hm"})

    assert (201, first.json()) == (again.status_code, again.json())
    assert 2 == len(await listed(client))


async def test_add_too_late(client: httpx2.AsyncClient) -> None:
    """To what is removed nothing is added, and the answer says so."""
    await client.delete(f"/v1/incidents/{SHOWN_ID}", headers=ALICE)
    answer = await client.post(COMMENTS, headers=ALICE, json={"text": "hm"})

    assert (200, {"reason": "late", "comment": None}) == (
        answer.status_code,
        answer.json(),
    )


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"tick": 1}, [True, True]),
        ({"tick": [1, 2]}, [True, True]),
        ({"untick": 2}, [False, False]),
        ({"tick": [1], "untick": [2]}, [True, False]),
        ({"text": "- [x] look\n- [ ] breathe\n- [ ] sleep"}, [True, False, False]),
    ],
)
async def test_tick(
    client: httpx2.AsyncClient, body: Mapping[str, Any], expected: list[bool]
) -> None:
    """Boxes are ticked by their numbers, or by a text in which they are."""
    answer = await client.patch(
        f"{COMMENTS}/{CHECKLIST_ID}", headers=ALICE, json={**body, "by": "dora"}
    )
    [comment] = await listed(client)

    assert (200, "box_ticked") == (answer.status_code, answer.json()["reason"])
    assert expected == [box["is_ticked"] for box in comment["boxes"]]
    assert ("dora", "2026-11-22T00:41:10.500000Z") == (
        comment["edited_by"],
        comment["edited_at"],
    )
    assert comment == answer.json()["comment"]


async def test_tick_at_once(client: httpx2.AsyncClient, world: World) -> None:
    """A tick says which box, not how the text was: two who tick lose neither."""
    await client.patch(f"{COMMENTS}/{CHECKLIST_ID}", headers=ALICE, json={"tick": 1})
    [command] = world.engine.commands

    assert isinstance(command, CommentEdited)
    assert ("", (1,), ()) == (command.text, command.ticked, command.unticked)


async def test_edit_of_a_comment(client: httpx2.AsyncClient) -> None:
    """What a person has said stays as it was said."""
    said = await client.post(COMMENTS, headers=ALICE, json={"text": "- [ ] hm"})
    name = said.json()["comment"]["id"]
    answer = await client.patch(
        f"{COMMENTS}/{name}", headers=ALICE, json={"text": "never said it"}
    )

    assert (200, "not_applicable") == (answer.status_code, answer.json()["reason"])
    assert "- [ ] hm" == answer.json()["comment"]["text"]


async def test_unknown_comment(client: httpx2.AsyncClient) -> None:
    """A comment that does not exist is not changed."""
    answer = await client.patch(f"{COMMENTS}/x", headers=ALICE, json={"tick": 1})

    assert (404, "unknown_comment") == (answer.status_code, answer.json()["code"])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body"),
        ({"text": "x", "tick": 1}, "body"),
        ({"tick": 1, "untick": [1]}, "body"),
        ({"tick": 3}, "tick[0]"),
        ({"tick": [1, 3]}, "tick[1]"),
        ({"untick": 9}, "untick[0]"),
        ({"tick": 0}, "tick[0]"),
        ({"tick": "1"}, "tick"),
        ({"tick": []}, "tick"),
        ({"tick": True}, "tick[0]"),
        ({"text": " "}, "text"),
        ({"text": "\u0007"}, "text"),
        ({"text": "x" * 10_001}, "text"),
    ],
)
async def test_refused(
    client: httpx2.AsyncClient, world: World, body: Mapping[str, Any], field: str
) -> None:
    """A change that cannot be meant is refused by the name of its field."""
    answer = await client.patch(f"{COMMENTS}/{CHECKLIST_ID}", headers=ALICE, json=body)

    assert 422 == answer.status_code
    assert [field] == [error["field"] for error in answer.json()["errors"]]
    assert [] == world.engine.commands


@pytest.mark.parametrize("body", [{}, {"text": ""}, {"text": "\u202e"}, {"text": 5}])
async def test_refused_comment(
    client: httpx2.AsyncClient, world: World, body: Mapping[str, Any]
) -> None:
    """A comment that says nothing is refused."""
    answer = await client.post(COMMENTS, headers=ALICE, json=body)

    assert 422 == answer.status_code
    assert ["text"] == [error["field"] for error in answer.json()["errors"]]
    assert [] == world.engine.commands
