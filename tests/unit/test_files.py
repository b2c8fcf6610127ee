"""The directory as files: what they say, and every mistake with file, line and remedy."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import time, timedelta
from textwrap import dedent
from typing import Any

import pytest

from engine.directory import HIGH, LOW, ResolveWhen, hash_secret
from engine.directory.drafts import mistakes_among
from engine.directory.files import Draft, Mistake, read_files
from policies.loading import load_yaml
from policies.steps import NotifyStep, TimeBranchStep
from policies.targets import UserTarget

KEY = "a-key-of-sixteen-or-more"
ENVIRONMENT = {
    "ALICE_URL": "https://hooks.example/alice/s3cr3t",
    "KEY": KEY,
    "EMPTY": "",
}
PEOPLE = """\
users:
  alice:
    name: Alice
    email: alice@example.com
    contact_methods:
      - {id: phone, channel: webhook, address: {env: ALICE_URL}}
  bob: {name: Bob}
schedules:
  primary: [alice, bob]
"""
POLICIES = """\
policies:
  default:
    steps:
      - {kind: notify, targets: ["schedule:primary"]}
      - kind: time_branch
        window: {from: 10:00, to: 18:00, zone: Europe/Prague}
      - {kind: wait, duration: 5m}
      - kind: notify
        targets: ["user:alice"]
settings: {catch_all: default}
"""
SENDERS = f"""\
integrations:
  am:
    name: Alertmanager
    source: alertmanager
    key: {KEY}
    resolve_when: never
    routes: [{{policy: default}}]
"""
GOOD = {"people.yaml": PEOPLE, "policies.yaml": POLICIES, "sub/senders.yml": SENDERS}


def read(texts: Mapping[str, str]) -> Draft:
    """Read some files."""
    return read_files(texts, ENVIRONMENT.get)


def told(texts: Mapping[str, str]) -> list[str]:
    """Return all that is wrong with some files, line by line."""
    draft = read(texts)

    return [str(one) for one in (*draft.mistakes, *mistakes_among(draft))]


def test_good() -> None:
    """What several files say is one directory, and nothing is wrong with it."""
    draft = read(GOOD)
    directory = draft.directory
    steps = directory.policies["default"].steps

    assert [] == told(GOOD)
    assert ("alice", "bob") == directory.on_call["primary"]
    assert isinstance(steps[1], TimeBranchStep)
    assert time(10) == steps[1].window.start
    assert isinstance(steps[3], NotifyStep)
    assert (UserTarget(id="alice"),) == steps[3].targets
    assert "default" == directory.catch_all
    assert ResolveWhen.NEVER == directory.integrations["am"].resolve_when
    assert timedelta() == steps[0].wait_before


def test_origins() -> None:
    """Every object remembers the file that it is written in, and so do settings."""
    assert {
        "users/alice": "people.yaml",
        "users/bob": "people.yaml",
        "on_call/primary": "people.yaml",
        "policies/default": "policies.yaml",
        "settings/catch_all": "policies.yaml",
        "integrations/am": "sub/senders.yml",
    } == read(GOOD).directory.origins


def test_lines() -> None:
    """Every path has its line, for whoever has something to say about it."""
    lines = read(GOOD).lines

    assert 8 == lines["policies.default.steps[3]"]
    assert 9 == lines["policies.default.steps[3].targets[0]"]
    assert 9 == lines["schedules.primary"]
    assert 10 == lines["settings.catch_all"]


def test_secrets() -> None:
    """What the environment holds is filled in; of a key only the hash is kept."""
    directory = read(GOOD).directory
    [method] = directory.users["alice"].contact_methods

    assert ENVIRONMENT["ALICE_URL"] == method.address
    assert hash_secret(KEY) == directory.integrations["am"].key_hash
    assert KEY not in repr(read(GOOD))


def test_key_of_the_environment() -> None:
    """A key may be left to the environment, or left out: then it has no hash yet."""
    named = SENDERS.replace(KEY, "{env: KEY}")
    without = SENDERS.replace(f"    key: {KEY}\n", "")

    assert (
        hash_secret(KEY)
        == read({"a.yaml": named}).directory.integrations["am"].key_hash
    )
    assert "" == read({"a.yaml": without}).directory.integrations["am"].key_hash


def test_urgencies() -> None:
    """High and Low always exist; no file owns them unless it writes them."""
    made = read({"a.yaml": ""}).directory
    written = read({"a.yaml": "urgencies: {low: {name: Quiet}}"}).directory

    assert {"high": HIGH, "low": LOW} == made.urgencies
    assert {} == made.origins
    assert ("Quiet", HIGH) == (written.urgencies["low"].name, written.urgencies["high"])
    assert {"urgencies/low": "a.yaml"} == written.origins


@pytest.mark.parametrize("text", ["", "# nothing", "users:\npolicies:\nsettings:\n"])
def test_empty(text: str) -> None:
    """A file that says nothing is right."""
    draft = read({"a.yaml": text})

    assert () == draft.mistakes
    assert {} == draft.directory.users


STEP = "policies:\n  p:\n    steps:\n      - {}\n"
ROUTES = "integrations:\n  am:\n    name: A\n    source: generic\n    routes:\n"
USER = "users:\n  eve:\n    name: Eve\n"
PLACE = "channels:\n  room: {{name: R, kind: chat, channel: webhook{}}}\n"
UNKNOWN_VARIABLE = "the environment variable 'NOPE' is not set: set it"
NO_NAME = "the environment has nothing of that name: write a text, or {env: NAME} for one of the environment"

# Beside people.yaml and policies.yaml, a file with one mistake: it alone is told.
PLANTED = [
    (
        "users: [alice",
        "x.yaml:1: not YAML: expected ',' or ']', but got '<stream end>'",
    ),
    (
        "users:\n  eve: {name: Eve}\n  eve: {name: Eva}",
        "x.yaml:3: users.eve: is there twice, first in line 2: remove one",
    ),
    (
        "teams:\n  a: &a {name: A}\n  b: *a",
        "x.yaml:2: teams: `&`: anchors and aliases are not read: write out what is meant, and put text in quotes",
    ),
    (
        "users:\n  eve: !!python/object:os.system {}",
        "x.yaml:2: users: the tag 'tag:yaml.org,2002:python/object:os.system' is not read: remove it, and put text in quotes",
    ),
    (
        "users:\n  5: {name: Five}",
        "x.yaml:2: users: a key that is no text: put it in quotes",
    ),
    (
        "- users",
        "x.yaml:1: should be keys with objects: some of users, teams, user_groups, channels, urgencies, policies, integrations, schedules, settings",
    ),
    (
        "polices: {}",
        "x.yaml:1: polices: there is no such key; did you mean 'policies'?",
    ),
    (
        "tokens: {}",
        "x.yaml:1: tokens: there is no such key: use one of channels, integrations, policies, schedules, settings, teams, urgencies, user_groups, users",
    ),
    (
        "users: [eve]",
        "x.yaml:1: users: should be ids with values: write it like {id: {...}}",
    ),
    (
        "users:\n  eve: Eve",
        "x.yaml:2: users.eve: should be names with values: write it like {name: value}",
    ),
    ("users: {'': {name: Eve}}", "x.yaml:1: users.: an id has 1 to 200 characters"),
    (
        "users:\n  alice: {name: Alice}",
        "x.yaml:2: users.alice: is in people.yaml:2 too: remove one of them",
    ),
    (
        "settings: {catch_all: default}",
        "x.yaml:1: settings.catch_all: is in policies.yaml:10 too: remove one of them",
    ),
    (
        "settings: {default_tem: db}",
        "x.yaml:1: settings.default_tem: there is no such key; did you mean 'default_team'?",
    ),
    (
        "settings: {default_team: db}",
        "x.yaml:1: settings.default_team: there is no team 'db': add it, or correct it",
    ),
    (
        USER + "    id: eve",
        "x.yaml:4: users.eve.id: the id is the key above: remove it here",
    ),
    ("users:\n  eve: {}", "x.yaml:2: users.eve.name: is missing: add it"),
    (
        "users:\n  eve: {name: 42}",
        "x.yaml:2: users.eve.name: should be text: put it in quotes",
    ),
    ("users:\n  eve: {name: }", "x.yaml:2: users.eve.name: should be text"),
    (
        USER + "    emial: eve@example.com",
        "x.yaml:4: users.eve.emial: there is no such key; did you mean 'email'?",
    ),
    (
        USER + "    is_active: maybe",
        "x.yaml:4: users.eve.is_active: should be true or false",
    ),
    (
        USER + "    email: Alice@Example.com",
        "x.yaml:4: users.eve.email: 'Alice@Example.com' is the e-mail of 'alice' already\npeople.yaml:4: users.alice.email: 'alice@example.com' is the e-mail of 'eve' already",
    ),
    (
        USER + "    contact_methods: phone",
        "x.yaml:4: users.eve.contact_methods: should be a list: write it like [one, another]",
    ),
    (
        USER + "    contact_methods:\n    - {id: a, channel: b, adress: x}",
        "x.yaml:5: users.eve.contact_methods[0].adress: there is no such key; did you mean 'address'?",
    ),
    (
        USER + "    contact_methods:\n    - {id: a, channel: b, address: {env: NOPE}}",
        f"x.yaml:5: users.eve.contact_methods[0].address: {UNKNOWN_VARIABLE}",
    ),
    (
        USER + "    contact_methods: [{id: a, channel: b}, {id: a, channel: c}]",
        "x.yaml:4: users.eve.contact_methods[1].id: 'a' is there twice: give each its own id",
    ),
    (
        USER + "    rules: {high: [{method: phone}]}",
        "x.yaml:4: users.eve.rules.high[0].method: there is no contact method of this user 'phone': add it, or correct it",
    ),
    (
        USER + "    rules: {high: [{method: phone, delay: 5 minutes}]}",
        "x.yaml:4: users.eve.rules.high[0].delay: '5 minutes' is not a duration: write it like 90s, 5m, 1h30m or 2d",
    ),
    (
        PLACE.format(", address: {env: EMPTY}"),
        "x.yaml:2: channels.room.address: the environment variable 'EMPTY' is not set: set it",
    ),
    (
        PLACE.format(", address: {env: hunter2-real-secret}"),
        f"x.yaml:2: channels.room.address: {NO_NAME}",
    ),
    (
        PLACE.format(", address: {env: hunter2}"),
        f"x.yaml:2: channels.room.address: {NO_NAME}",
    ),
    (
        PLACE.format(", address: {env: HUNTER2-SECRET}"),
        f"x.yaml:2: channels.room.address: {NO_NAME}",
    ),
    (
        PLACE.format(', address: {env: ""}'),
        f"x.yaml:2: channels.room.address: {NO_NAME}",
    ),
    (
        PLACE.format(", address: {file: x}"),
        "x.yaml:2: channels.room.address: write a text, or {env: NAME} for one of the environment",
    ),
    (
        PLACE.format(", secrets: [whsec_hush]"),
        "x.yaml:2: channels.room.secrets[0]: a secret is whsec_ and, in base64, 24 to 64 random bytes",
    ),
    (
        PLACE.format(", secrets: [{env: NOPE}]"),
        f"x.yaml:2: channels.room.secrets[0]: {UNKNOWN_VARIABLE}",
    ),
    (
        "schedules:\n  night: alice",
        "x.yaml:2: schedules.night: should be a list: write it like [one, another]",
    ),
    (
        "schedules:\n  night:\n    - alice\n    - 007\n",
        "x.yaml:4: schedules.night[1]: there is no user '007': add it, or correct it",
    ),
    (
        "teams:\n  db: {name: DB, members: [alcie]}",
        "x.yaml:2: teams.db.members[0]: there is no user 'alcie'; did you mean 'alice'?",
    ),
    (
        "teams:\n  db: {name: DB, schedule: prmary}",
        "x.yaml:2: teams.db.schedule: there is no schedule 'prmary'; did you mean 'primary'?",
    ),
    (
        "user_groups:\n  dba: {name: DBA, members: [eve]}",
        "x.yaml:2: user_groups.dba.members[0]: there is no user 'eve': add it, or correct it",
    ),
    (
        STEP.format('{kind: notify, targets: [everybody, "user:alcie"]}'),
        "x.yaml:4: policies.p.steps[0].targets[1]: there is no user 'alcie'; did you mean 'alice'?",
    ),
    (
        STEP.format("{kind: notify, targets: [alice]}"),
        "x.yaml:4: policies.p.steps[0].targets[0]: 'alice' names no kind: write user:alice or schedule:alice",
    ),
    (
        STEP.format('{kind: notify, targets: ["usr:alice"]}'),
        "x.yaml:4: policies.p.steps[0].targets[0]: 'usr' is no kind: use one of 'user', 'team', 'user_group', 'schedule', 'layer', 'everybody', 'channel', 'channels', 'policy', 'metadata'",
    ),
    (
        STEP.format("{kind: notify}"),
        "x.yaml:4: policies.p.steps[0].targets: targets is required here",
    ),
    (
        STEP.format("{kind: notify, targets: [everybody], urgency: hihg}"),
        "x.yaml:4: policies.p.steps[0].urgency: there is no urgency 'hihg'; did you mean 'high'?",
    ),
    (
        STEP.format("{kind: notifiy, targets: [everybody]}"),
        "x.yaml:4: policies.p.steps[0].kind: 'notifiy' is no kind of step: use one of instructions, metadata_branch, notify, remove, repeat, resolve, time_branch, time_gate, volume_gate, wait, webhook",
    ),
    (
        STEP.format("{targets: [everybody]}"),
        "x.yaml:4: policies.p.steps[0].kind: is missing: add it",
    ),
    (
        STEP.format("{kind: notify, targets: [everybody], urgncy: low}"),
        "x.yaml:4: policies.p.steps[0].urgncy: there is no such key; did you mean 'urgency'?",
    ),
    (
        STEP.format("{kind: wait, duration: 8d}"),
        "x.yaml:4: policies.p.steps[0].duration: should be at most 7d",
    ),
    (
        STEP.format("{kind: wait, duration: 0}"),
        "x.yaml:4: policies.p.steps[0].duration: should be more than 0s",
    ),
    (
        STEP.format("{kind: webhook}"),
        "x.yaml:4: policies.p.steps[0].webhook: webhook is required here",
    ),
    (
        STEP.format("{kind: time_branch, window: {from: 25:00}}"),
        "x.yaml:4: policies.p.steps[0].window.from: '25:00' is no clock time: write it like 07:45, up to 23:59",
    ),
    (
        STEP.format("{kind: time_branch, window: {days: [mo]}}"),
        "x.yaml:4: policies.p.steps[0].window.days[0]: should be 'mon', 'tue', 'wed', 'thu', 'fri', 'sat' or 'sun'",
    ),
    (
        STEP.format("{kind: time_gate, window: {zone: Europe/Prag}}"),
        "x.yaml:4: policies.p.steps[0].window.zone: 'Europe/Prag' is no time zone: write it like Europe/Prague or UTC",
    ),
    (
        STEP.format("{kind: resolve, wait_before: 1m, wait_until: {time: 07:45}}"),
        "x.yaml:4: policies.p.steps[0]: wait_before and wait_until exclude each other: leave one out",
    ),
    (
        "policies:\n  p:\n    repeat: {count: 1000}",
        "x.yaml:3: policies.p.repeat.count: should be at most 100",
    ),
    (
        "policies:\n  p:\n    repeat: {count: often}",
        "x.yaml:3: policies.p.repeat.count: should be a whole number",
    ),
    (
        "policies:\n  p:\n    fallback: defualt",
        "x.yaml:3: policies.p.fallback: there is no policy 'defualt'; did you mean 'default'?",
    ),
    (
        ROUTES + "    - {match: [severity], policy: default}\n    - {policy: default}",
        'x.yaml:6: integrations.am.routes[0].match[0]: \'severity\' is no matcher: write it like severity="critical", env!=test or team=~"db|infra"',
    ),
    (
        ROUTES + "    - {match: ['a=~\"(?=x)\"']}\n    - {policy: default}",
        "x.yaml:6: integrations.am.routes[0].match[0]: '(?=x)' is no RE2 expression (invalid perl operator: (?=): RE2 has no look-ahead, no look-behind and no back-references",
    ),
    (
        ROUTES + "    - {polcy: default}",
        "x.yaml:6: integrations.am.routes[0].polcy: there is no such key; did you mean 'policy'?",
    ),
    (
        ROUTES + "    - {match: [a=b], policy: default}",
        "x.yaml:5: integrations.am.routes: the last route must have no match, so that no alert is left out: add `- {policy: ...}` at the end",
    ),
    (
        ROUTES + "    - {policy: default}\n    key: hush-hush",
        "x.yaml:7: integrations.am.key: should be 16 to 200 letters, digits or . _ ~ -: leave it out, and one is made",
    ),
    (
        ROUTES + "    - {policy: default}\n    key: {env: NOPE}",
        f"x.yaml:7: integrations.am.key: {UNKNOWN_VARIABLE}",
    ),
    (
        ROUTES + "    - {policy: default}\n    key_hash: abc",
        "x.yaml:7: integrations.am.key_hash: a file holds no hash: write `key: {env: NAME}`, or leave it out",
    ),
    (
        (ROUTES + "    - {policy: default}").replace("am:", "../am:"),
        "x.yaml:2: integrations.../am: without a key its id names a file: use letters, digits, . _ -, or give it a key",
    ),
    (
        ROUTES.replace("source: generic", "grouping: each") + "    - {policy: default}",
        "x.yaml:4: integrations.am.grouping: should be 'per_alert' or 'per_group'\nx.yaml:2: integrations.am.source: is missing: add it",
    ),
]


@pytest.mark.parametrize(("text", "expected"), PLANTED)
def test_mistake(text: str, expected: str) -> None:
    """Each mistake is told with file, line, path and remedy, and nothing else is told."""
    told_here = told({"people.yaml": PEOPLE, "policies.yaml": POLICIES, "x.yaml": text})

    assert sorted(expected.splitlines()) == sorted(told_here)


def test_all_at_once() -> None:
    """All mistakes of all files are told, and nothing is told for another's mistake."""
    texts = {
        "people.yaml": PEOPLE.replace("name: Alice", "nam: Alice"),
        "policies.yaml": POLICIES.replace("user:alice", "user:alcie"),
        "x.yaml": "schedules: {night: [carol]}",
    }

    assert [
        "people.yaml:2: users.alice.name: is missing: add it",
        "people.yaml:3: users.alice.nam: there is no such key; did you mean 'name'?",
        "policies.yaml:9: policies.default.steps[3].targets[0]: there is no user 'alcie': add it, or correct it",
        "x.yaml:1: schedules.night[0]: there is no user 'carol': add it, or correct it",
    ] == told(texts)


def test_a_file_that_is_none() -> None:
    """What a broken file may hold is not missed: only that it is broken is told."""
    texts = {"people.yaml": "users: [", "policies.yaml": POLICIES}

    assert [
        "people.yaml:1: not YAML: expected the node content, but found '<stream end>'"
    ] == told(texts)


def spoilt(value: Any, odd: Any) -> Iterator[Any]:
    """Yield a value with each thing in it replaced by an odd one, and with one added."""
    yield odd
    if isinstance(value, dict):
        for key, below in value.items():
            yield from ({**value, key: one} for one in spoilt(below, odd))
        yield {**value, "odd": odd}
    if isinstance(value, list):
        for index, below in enumerate(value):
            yield from (
                [*value[:index], one, *value[index + 1 :]] for one in spoilt(below, odd)
            )
        yield [*value, odd]


@pytest.mark.parametrize(
    "odd",
    [None, True, -1, 0.5, "", "odd", [], ["odd"], {}, {"odd": []}, {"env": "NOPE"}],
)
def test_whatever_is_written(odd: Any) -> None:
    """Whatever stands wherever, it is read or told; nothing is raised."""
    good = {
        kind: objects
        for text in GOOD.values()
        for kind, objects in load_yaml(text).value.items()
    }
    for written in spoilt(good, odd):
        lines = told({"x.yaml": json.dumps(written)})

        assert all(re.match(r"x\.yaml:1: \S", line) for line in lines)


def test_long() -> None:
    """However long a key or a value is, a mistake about it is a line that can be read."""
    key, value = "k" * 1_000, "v" * 50_000
    text = f"users: {{{key}: {{}}, eve: {{name: E, {key}: 1}}}}\npolicies: {{p: {{steps: [{{kind: {value}}}]}}}}"
    found = told({"x.yaml": text})

    assert 3 == len(found)
    assert all(len(line) < 1_000 for line in found)


@pytest.mark.parametrize("place", ["address", "secrets", "key"])
def test_never_quoted(place: str) -> None:
    """A secret stands in no message, whatever is wrong with it."""
    text = dedent(
        """
        channels:
          room: {name: R, kind: chat, channel: webhook, address: ADDRESS, secrets: [SECRETS]}
        integrations:
          am: {name: A, source: generic, key: KEY, routes: [{}]}
        """
    ).replace(place.upper(), "hush hush" + "!" * 2_000)

    found = told({"x.yaml": text})
    assert found
    assert not any("hush" in line for line in found)


def test_judged() -> None:
    """Whoever knows what addresses are good for is asked about each of them."""
    draft = read(GOOD)
    asked: list[tuple[str, str]] = []

    def judge(channel: str, address: str) -> str | None:
        asked.append((channel, address))
        return "leads inside: use a public address"

    assert [
        "people.yaml:6: users.alice.contact_methods[0].address: leads inside: use a public address"
    ] == [str(one) for one in mistakes_among(draft, judge_address=judge)]
    assert [("webhook", ENVIRONMENT["ALICE_URL"])] == asked


@pytest.mark.parametrize(
    ("mistake", "expected"),
    [
        (Mistake(file="a.yaml", problem="is empty"), "a.yaml: is empty"),
        (Mistake(file="a.yaml", line=3, problem="is no list"), "a.yaml:3: is no list"),
        (Mistake(file="a", line=3, path="b[0]", problem="c"), "a:3: b[0]: c"),
    ],
)
def test_written(mistake: Mistake, expected: str) -> None:
    """A mistake is one line: place, path, problem, as far as there are any."""
    assert expected == str(mistake)
