"""YAML 1.2 texts, as plain values with the line of everything in them."""

from typing import Any

import pytest

from policies.loading import DEPTH_MAX, TEXT_MAX, YamlError, load_yaml, write_path
from policies.windows import Window


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("# nothing but a comment\n", None),
        ("---\n", None),
        ("a: 10:00", {"a": "10:00"}),
        ("a: 18:30:59", {"a": "18:30:59"}),
        ("a: [NO, no, on, Yes, off]", {"a": ["NO", "no", "on", "Yes", "off"]}),
        ("on: y", {"on": "y"}),
        ("a: [true, False, TRUE]", {"a": [True, False, True]}),
        ("a: [null, ~, Null, ]", {"a": [None, None, None]}),
        ("a:", {"a": None}),
        ("a: [0, -5, 42]", {"a": [0, -5, 42]}),
        (
            "a: [007, 0x1f, 0o7, 1_000, +1]",
            {"a": ["007", "0x1f", "0o7", "1_000", "+1"]},
        ),
        ("a: [1.5, -0.25]", {"a": [1.5, -0.25]}),
        ("a: [1.50, 1e3, .5, .inf, nan]", {"a": ["1.50", "1e3", ".5", ".inf", "nan"]}),
        (f"a: {'9' * 5_000}", {"a": "9" * 5_000}),
        ("a: 2026-01-01", {"a": "2026-01-01"}),
        ("a: '5'\nb: \"true\"", {"a": "5", "b": "true"}),
        ("a: |\n  one\n  two\n", {"a": "one\ntwo\n"}),
        ("\ufeffa: b", {"a": "b"}),
        ("%YAML 1.1\n---\na: [NO, 10:00]", {"a": ["NO", "10:00"]}),
        ("'5': a", {"5": "a"}),
        ("<<: {a: b}", {"<<": {"a": "b"}}),
        ("- - a\n- b: {c: []}", [["a"], {"b": {"c": []}}]),
    ],
)
def test_values(text: str, expected: Any) -> None:
    """A value is what it looks like; what could be two things is text."""
    loaded = load_yaml(text)

    assert repr(expected) == repr(loaded.value)


def test_ten_o_clock() -> None:
    """Ten o'clock needs no quotes: it is not six hundred."""
    written = load_yaml("{from: 10:00, to: 18:30}").value
    window = Window.model_validate(written)

    assert ("10:00", "18:30") == (
        window.start.isoformat("minutes"),
        window.end.isoformat("minutes"),
    )


def test_lines() -> None:
    """Every path has its line: of a key where the key is, of an entry where it begins."""
    loaded = load_yaml("# one\na:\n  - x\n  -\n    b: {c: 1,\n      d: 2}\ne:\n  f\n")

    assert {
        "": 2,
        "a": 2,
        "a[0]": 3,
        "a[1]": 5,
        "a[1].b": 5,
        "a[1].b.c": 5,
        "a[1].b.d": 6,
        "e": 7,
    } == {write_path(path): line for path, line in loaded.lines.items()}


@pytest.mark.parametrize(
    ("path", "expected"), [(("a", 1, "b", "zz", 3), 5), (("a", 9), 2), (("zz",), 2)]
)
def test_line_of_nothing(path: tuple[str | int, ...], expected: int) -> None:
    """What is not there is looked for around it."""
    loaded = load_yaml("# one\na:\n  - x\n  -\n    b: {c: 1,\n      d: 2}\n")

    assert expected == loaded.line_of(path)


DEEP = "[" * (DEPTH_MAX + 1)
# Nine to the ninth leaves, if anybody looks.
BOMB = "a: &a [x,x,x]\n" + "".join(
    f"{name}: &{name} [*{below},*{below},*{below}]\n"
    for below, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "line", "path", "problem"),
    [
        ("a: [1", 1, "", "not YAML: expected ',' or ']', but got '<stream end>'"),
        ("a: b: c", 1, "", "not YAML: mapping values are not allowed here"),
        (
            "a:\n\t- b",
            2,
            "",
            "not YAML: found character '\\t' that cannot start any token",
        ),
        ("a:\n  b\n c: d", 3, "", "not YAML: mapping values are not allowed here"),
        (
            "a: b\nc: \x07",
            2,
            "",
            "not YAML: there is a character that is no text: remove it",
        ),
        (
            'a: b\nb: "\\U99999999"',
            2,
            "",
            "not YAML: an escape like \\u0041 here stands for no character",
        ),
        (
            'a: b\nb: "\\uD800"',
            2,
            "",
            "not YAML: an escape like \\u0041 here stands for no character",
        ),
        ("a: 1\nb: 2\na: 3", 3, "a", "is there twice, first in line 1: remove one"),
        (
            "a:\n  - b: 1\n    b: 2",
            3,
            "a[0].b",
            "is there twice, first in line 2: remove one",
        ),
        (
            BOMB,
            1,
            "",
            "`&`: anchors and aliases are not read: write out what is meant, and put text in quotes",
        ),
        (
            "a:\n  b: *c",
            2,
            "a",
            "`*`: anchors and aliases are not read: write out what is meant, and put text in quotes",
        ),
        (
            "a: &a [*a]",
            1,
            "",
            "`&`: anchors and aliases are not read: write out what is meant, and put text in quotes",
        ),
        (
            "a:\n  key: *hush",
            2,
            "a",
            "`*`: anchors and aliases are not read: write out what is meant, and put text in quotes",
        ),
        (
            "a:\n  key: &hush",
            2,
            "a",
            "`&`: anchors and aliases are not read: write out what is meant, and put text in quotes",
        ),
        (
            "&k a: b",
            1,
            "",
            "`&`: anchors and aliases are not read: write out what is meant, and put text in quotes",
        ),
        (
            "a: !!python/object:os.system {}",
            1,
            "",
            "the tag 'tag:yaml.org,2002:python/object:os.system' is not read: remove it, and put text in quotes",
        ),
        (
            "a: !!str 5",
            1,
            "",
            "the tag 'tag:yaml.org,2002:str' is not read: remove it, and put text in quotes",
        ),
        (
            "a:\n- !x [b]",
            2,
            "a",
            "the tag '!x' is not read: remove it, and put text in quotes",
        ),
        ("5: a", 1, "", "a key that is no text: put it in quotes"),
        ("a:\n  true: b", 2, "a", "a key that is no text: put it in quotes"),
        ("~: b", 1, "", "a key that is no text: put it in quotes"),
        ("? [a]\n: b", 1, "", "a key that is no text: write a name before the colon"),
        ("{a: b}: c", 1, "", "a key that is no text: write a name before the colon"),
        (
            "a: b\n---\nc: d",
            2,
            "",
            "a second document begins: put it into another file",
        ),
        (
            DEEP,
            1,
            "[0]" * (DEPTH_MAX - 1),
            "is deeper than 20 levels: nothing here needs that",
        ),
        ("a: b" + " " * TEXT_MAX, None, "", "is larger than 256 KiB: split it"),
    ],
)
def test_refused(text: str, line: int | None, path: str, problem: str) -> None:
    """What is not YAML, or could mean something unseen, is refused with line and remedy."""
    with pytest.raises(YamlError) as caught:
        load_yaml(text)

    error = caught.value
    assert (line, path, problem) == (error.line, write_path(error.path), error.problem)


@pytest.mark.parametrize("opening", ["[", "- ", "? ", "{a: "])
def test_deep(opening: str) -> None:
    """However deep a text is, it is refused, and no stack is used up."""
    with pytest.raises(YamlError, match=r"is deeper than 20 levels|no text"):
        load_yaml(opening * 10_000)
