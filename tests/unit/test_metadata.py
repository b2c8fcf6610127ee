"""Metadata: what is known of an incident, and what a branch tells apart."""

import pytest
from pydantic import TypeAdapter, ValidationError

from policies.metadata import ListedValue, ListedValues, Reference

LISTED: TypeAdapter[tuple[ListedValue, ...]] = TypeAdapter(ListedValues)
ALICE = Reference(type="User", id="alice")


def places(error: ValidationError) -> list[str]:
    """Return where the faults are, as a path."""
    return [".".join(map(str, fault["loc"])) for fault in error.errors()]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("db", ListedValue(type="String", value="db")),
        ("no_value", ListedValue(type="String", value="no_value")),
        ({"value": "db"}, ListedValue(type="String", value="db")),
        ({"type": "String", "value": "db"}, ListedValue(value="db")),
        ({"type": "no_value"}, ListedValue(type="no_value", value="", id="")),
        ({"type": "User", "id": "alice"}, ListedValue(type="User", id="alice")),
        (ListedValue(value="db"), ListedValue(value="db")),
    ],
)
def test_listed_value(written: object, expected: ListedValue) -> None:
    """A text alone is a String, whatever it says; the other kinds are written out."""
    assert expected == ListedValue.model_validate(written)


@pytest.mark.parametrize(
    ("written", "advice"),
    [
        ({"type": "String", "id": "x"}, "a String takes value, not id"),
        ({"value": "db", "id": "x"}, "a String takes value, not id"),
        ({"type": "no_value", "value": "x"}, "a no_value takes neither value nor id"),
        ({"type": "no_value", "id": "x"}, "a no_value takes neither value nor id"),
        ({"type": "User"}, "a User takes id, not value"),
        ({"type": "User", "value": "x"}, "a User takes id, not value"),
        ({"type": "User", "value": "x", "id": "x"}, "a User takes id, not value"),
    ],
)
def test_advice_on_a_value(written: object, advice: str) -> None:
    """A kind of value with what does not belong to it is refused, and told what does."""
    with pytest.raises(ValidationError, match=advice):
        ListedValue.model_validate(written)


@pytest.mark.parametrize(
    "written", [None, 7, True, [], {"name": "db"}, {"value": 7}, {"type": None}]
)
def test_no_listed_value(written: object) -> None:
    """Numbers, lists and unknown fields are no values."""
    with pytest.raises(ValidationError):
        ListedValue.model_validate(written)


@pytest.mark.parametrize(
    ("listed", "texts", "expected"),
    [
        ("db", ("db",), True),
        ("db", ("web", "db"), True),
        ("db", (), False),
        ("db", ("DB",), False),
        ("db", ("db ",), False),
        ("db", ("database",), False),
        ("", ("",), True),
        ("", (), False),
        ("alice", (), False),
        ("no_value", (), False),
        ("no_value", ("no_value",), True),
    ],
)
def test_text(listed: str, texts: tuple[str, ...], *, expected: bool) -> None:
    """A text matches if any of the incident's is the same to the letter."""
    value = ListedValue(value=listed)

    assert expected is value.matches(texts, ())
    assert expected is value.matches(texts, (ALICE,))


@pytest.mark.parametrize(
    ("kind", "named", "expected"),
    [
        ("User", (ALICE,), True),
        ("User", (Reference(type="Team", id="a"), ALICE), True),
        ("User", (Reference(type="User", id="bob"),), False),
        ("Team", (ALICE,), False),
        ("user", (ALICE,), False),
        ("User", (), False),
    ],
)
def test_reference(kind: str, named: tuple[Reference, ...], *, expected: bool) -> None:
    """An object matches by its kind and id together; a text of that id is not it."""
    value = ListedValue(type=kind, id="alice")

    assert expected is value.matches((), named)
    assert expected is value.matches(("alice", kind, ""), named)


@pytest.mark.parametrize(
    ("texts", "named", "expected"),
    [
        ((), (), True),
        (("",), (), True),
        ((" ", "\t\n", ""), (), True),
        (("", "db"), (), False),
        ((" db ",), (), False),
        (("no_value",), (), False),
        ((), (ALICE,), False),
        ((" ",), (ALICE,), False),
    ],
)
def test_no_value(
    texts: tuple[str, ...], named: tuple[Reference, ...], *, expected: bool
) -> None:
    """Nothing is no value, and neither is what is empty or all blank; an object is one."""
    assert expected is ListedValue(type="no_value").matches(texts, named)


def test_listed_values() -> None:
    """A branch lists one value to fifty of them, in any mix of kinds."""
    mixed = LISTED.validate_python(["db", {"type": "no_value"}])

    assert (ListedValue(value="db"), ListedValue(type="no_value")) == mixed
    assert 50 == len(LISTED.validate_python(["db"] * 50))


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ([], ""),
        (["db"] * 51, ""),
        ("db", ""),
        (["db", 7], "1"),
        (["db", {"type": "no_value", "value": "x"}], "1"),
        (["db", {"value": "db", "values": []}], "1.values"),
    ],
)
def test_no_listed_values(written: object, place: str) -> None:
    """None or too many values, or one that is none, are refused where they are."""
    with pytest.raises(ValidationError) as caught:
        LISTED.validate_python(written)

    assert [place] == places(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        ListedValue(value="db"),
        ListedValue(type="no_value"),
        ListedValue(type="User", id="alice"),
    ],
)
def test_listed_value_round_trip(value: ListedValue) -> None:
    """What was stored of a value is read as the same value."""
    assert value == ListedValue.model_validate_json(value.model_dump_json())


@pytest.mark.parametrize(
    ("part", "place"),
    [
        ({"type": ""}, "type"),
        ({"type": "t" * 51}, "type"),
        ({"id": ""}, "id"),
        ({"id": "i" * 201}, "id"),
        ({"id": 7}, "id"),
        ({"name": "Alice"}, "name"),
    ],
)
def test_no_reference(part: dict[str, object], place: str) -> None:
    """An object is named by its kind and id, neither of them empty or endless."""
    with pytest.raises(ValidationError) as caught:
        Reference.model_validate({"type": "User", "id": "alice", **part})

    assert [place] == places(caught.value)


def test_bounds_of_a_reference() -> None:
    """The bounds themselves are allowed."""
    reference = Reference(type="t" * 50, id="i" * 200)

    assert reference == Reference.model_validate_json(reference.model_dump_json())


@pytest.mark.parametrize("value", [ALICE, ListedValue(type="User", id="alice")])
def test_frozen(value: Reference | ListedValue) -> None:
    """What a branch tells apart is not changed by anybody who holds it."""
    with pytest.raises(ValidationError, match="frozen"):
        setattr(value, "id", "bob")  # noqa: B010 - the type checker knows better
