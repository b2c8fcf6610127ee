"""What a commit says to its script."""

from collections.abc import Sequence

from engine.adapters.redis import keys
from engine.adapters.redis.client import Argument
from engine.codec import (
    encode_entry,
    encode_incident,
    encode_mail,
    encode_record,
    encode_send,
    encode_snapshot,
    encode_summary,
)
from engine.codec.shapes import milliseconds
from engine.ids import RANDOM_BITS, mint, shard_of, to_number
from engine.ports import Commit, Summary

# As many as 32 random bits give; if all of them are taken it is decided again.
CANDIDATES = 4
# Where the arguments have the revision that is written.
REVISION = 3
OPEN, CLOSED, STAYS = "open", "closed", ""


def commit_arguments(
    commit: Commit, nonce: int, *, with_snapshot: bool
) -> list[Argument]:
    """
    Return the arguments of commit.lua.

    The snapshot's body is left out at first: most often it is stored already, and if
    not, the script asks for it.
    """
    incident, claimed = commit.incident, commit.claimed
    snapshot = incident.snapshot
    known = claimed.incident.snapshot.hash if claimed.incident else None
    due, rests = incident.next_due, commit.rests

    return [
        keys.prefix_of(incident.id),
        incident.id,
        claimed.revision,
        _revision_after(claimed.revision, nonce),
        milliseconds(commit.not_before) if commit.not_before else 0,
        keys.hash_of(incident.integration, incident.key),
        _index(commit),
        to_number(incident.id),
        encode_incident(incident, deflated=rests),
        encode_summary(Summary.of(incident), deflated=rests),
        milliseconds(due) if due else "",
        commit.read_up_to,
        commit.repeats,
        snapshot.hash if snapshot.hash != known else "",
        encode_snapshot(snapshot) if with_snapshot else b"",
        int(commit.leaves_firing),
        keys.OCCURRENCE_SECONDS,
        keys.team_index(incident.team),
        int(rests),
        *_lists(commit),
        *_follow_ups(commit, nonce),
    ]


def revision_in(arguments: Sequence[Argument]) -> str:
    """Return the revision that a commit writes."""
    return str(arguments[REVISION])


def _revision_after(revision: str, nonce: int) -> str:
    """Count on; the random bits part two writers that count alike."""
    number = int(revision.split("-", 1)[0]) if revision else 0

    return f"{number + 1}-{nonce:08x}"


def _index(commit: Commit) -> str:
    """Return the index that the incident moves to, if it moves."""
    before, after = commit.claimed.incident, commit.incident
    is_open = after.status.is_open
    if before is not None and before.status.is_open == is_open:
        return STAYS

    return OPEN if is_open else CLOSED


def _lists(commit: Commit) -> list[Argument]:
    """Return the five lists of a commit, each after its length."""
    incident, before = commit.incident, commit.claimed.incident
    known = before.alerts if before else {}
    changed = [
        (fingerprint, record)
        for fingerprint, record in incident.alerts.items()
        if known.get(fingerprint) != record
    ]
    lists: list[Argument] = [len(commit.history)]
    lists += [encode_entry(entry) for entry in commit.history]
    lists.append(len(commit.sends))
    for send in commit.sends:
        lists += [
            keys.outbox_entry(incident.id, send.page, send.rule),
            keys.outbox_tray(
                send.channel, send.provider, by_timer=send.caused_by_timer
            ),
            milliseconds(send.due),
            encode_send(send),
        ]
    lists.append(len(commit.withdrawals))
    lists += [
        keys.outbox_entry(incident.id, one.page, one.rule) for one in commit.withdrawals
    ]
    lists.append(len(changed))
    for fingerprint, record in changed:
        lists += [fingerprint, encode_record(record)]
    lists.append(len(commit.ended))
    lists += [
        keys.hash_of(incident.integration, occurrence) for occurrence in commit.ended
    ]

    return lists


def _follow_ups(commit: Commit, nonce: int) -> list[Argument]:
    """Return the mail for the next incident of the key, and ids for that one."""
    if not commit.follow_ups:
        return [0, 0]
    claimed_at, shard = commit.claimed.claimed_at, shard_of(commit.incident.id)
    candidates = [
        mint(claimed_at, shard, nonce >> number * RANDOM_BITS)
        for number in range(CANDIDATES)
    ]

    return [
        len(commit.follow_ups),
        *[encode_mail(routed) for routed in commit.follow_ups],
        CANDIDATES,
        *candidates,
    ]
