"""Matchers: conditions on labels, spelt as Alertmanager spells them."""

from collections.abc import Mapping

import pytest
from pydantic import TypeAdapter, ValidationError

from engine.directory import AnyMatcher, Matcher

MATCHER: TypeAdapter[AnyMatcher] = TypeAdapter(Matcher)


@pytest.mark.parametrize(
    ("written", "labels", "expected"),
    [
        ("env=prod", {"env": "prod"}, True),
        ("env=prod", {"env": "prod2"}, False),
        ('env="prod"', {"env": "prod"}, True),
        ('env = "a b"', {"env": "a b"}, True),
        (r'env="say \"hi\" \\"', {"env": 'say "hi" \\'}, True),
        ("env=", {}, True),
        ("env!=test", {}, True),
        ("env!=test", {"env": "test"}, False),
        ('team=~"db|infra"', {"team": "infra"}, True),
        ('team=~"db|infra"', {"team": "infrared"}, False),
        ("team=~db.*", {"team": "db-eu"}, True),
        ("team=~.*", {}, True),
        ("team=~.+", {}, False),
        ("team!~db.*", {"team": "db-eu"}, False),
        ("team!~db.*", {}, True),
        ("größe=~(?i)gro(ß|ss)", {"größe": "GROSS"}, True),
        ("a.b/c=1", {"a.b/c": "1"}, True),
    ],
)
def test_matches(written: str, labels: Mapping[str, str], *, expected: bool) -> None:
    """A matcher compares the whole value; a label that is not there is empty."""
    matcher = MATCHER.validate_python(written)

    assert expected is matcher.matches(labels)
    assert matcher == MATCHER.validate_python(str(matcher))


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("env", "'env' is no matcher: write it like"),
        ("", "'' is no matcher: write it like"),
        ("=x", "'=x' is no matcher"),
        ('env="x', "has a quote without its partner"),
        ('env="x" or y="z"', "has a quote without its partner"),
        ("env=~(", "'(' is no RE2 expression (missing ): ()"),
        ("env=~(?=x)y", "RE2 has no look-ahead, no look-behind and no back-references"),
        (r"env=~(.)\1", "RE2 has no look-ahead"),
        ("env=" + "x" * 1_001, "at most 1000"),
    ],
)
def test_refused(written: str, told: str) -> None:
    """What is no matcher, or no RE2, is refused with how to write it."""
    with pytest.raises(ValidationError) as caught:
        MATCHER.validate_python(written)

    assert told in str(caught.value)


def test_linear() -> None:
    """An expression that would take others for ever takes no time."""
    matcher = MATCHER.validate_python("a=~(x+x+)+y")

    assert not matcher.matches({"a": "x" * 100_000})
