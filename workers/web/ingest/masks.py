"""
Masks: what a sender wrote, fit to show, without the secrets in it.

What parses as JSON is walked, so that no way of writing a name hides it. All else (a
form, headers, a body that was cut) is searched, and rather too much is masked of it
than too little.
"""

import json
import re
from typing import Any
from urllib.parse import unquote

from workers.web.bodies import BEGINNING_BYTES
from workers.web.text import clean

MASK = "***"
# Names that secrets go by, in small letters and without - and _.
_SECRET_NAME = re.compile(
    r"""key | auth
        | .*(?:secret|password|passwd|passphrase|credential).*
        | .*(?:pwd|tokens?|authorization|cookie)
        | .*(?:routing|service|integration|api|access|ingest|private|signing
              |encryption|shared|auth|account)keys?
    """,
    re.VERBOSE | re.DOTALL,
)
# Of these the value is all that stands in the line, spaces and commas too.
_HEADER_NAME = re.compile(r".*(?:authorization|cookie)", re.DOTALL)

_NAME = re.compile(r"""(?<![\w-])(?P<name>[\w-]++)\\*["']?\s*[:=]\s*\\*""")
_WHOLE = r"""[\[{].* | "(?:[^"\\]|\\.)*"?[^\s,&}\]]* | '(?:[^'\\]|\\.)*'?[^\s,&}\]]*"""
_VALUE = re.compile(_WHOLE + r"| [^\s,&}\]]+", re.VERBOSE | re.DOTALL)
_LINE = re.compile(_WHOLE + r"| [^\r\n]+", re.VERBOSE | re.DOTALL)

# What is a secret wherever it stands; a slash may be escaped, as in JSON or an address.
_SCHEME = re.compile(
    r"(?P<kept>\b(?:bearer|basic)(?:\s|\+|%20)+)[^\s\"'\\,;&<>]+", re.IGNORECASE
)
_USERINFO = re.compile(
    r"""(?P<kept>(?::|%3a)(?:\\*/|%2f){2})
        (?: [^\s/?\#"'<>]+(?=@|%40)
          # cut before the @, and no port
          | [^\s/?\#"'<>:\[]+:(?!\d*\Z)[^\s/?\#"'<>]+\Z )""",
    re.IGNORECASE | re.VERBOSE,
)
_INGEST = re.compile(
    r"""(?P<kept>(?:/|%2f)ingest(?:\\*/|%2f)[^\s/\\"'%]+(?:\\*/|%2f))[^\s/\\?\#&"'<>]+""",
    re.IGNORECASE | re.VERBOSE,
)
_ESCAPE = re.compile(r"(?<!\\)\\++u00([2-7][0-9a-f])", re.IGNORECASE)
# No & and no space: a value would seem to end there.
_PERCENT = re.compile(r"%(?:22|2d|2f|3a|3d|3f|40|5b|5f|7b)", re.IGNORECASE)


def without_secrets(beginning: bytes) -> str:
    """Return the beginning of a body, fit to show, with its secrets masked."""
    text = beginning[:BEGINNING_BYTES].decode(errors="replace")
    masked = _walked_text(text)
    if masked is None:
        is_form = not text.lstrip().startswith(("{", "["))
        masked = _searched(_PERCENT.sub(_unquoted, text) if is_form else text)

    return clean(masked, BEGINNING_BYTES)


def _walked_text(text: str) -> str | None:
    """Mask a text that is JSON; None: it is not, or is too deep to walk."""
    try:
        masked = json.dumps(_walked(json.loads(text)), ensure_ascii=False)
    except (ValueError, RecursionError):
        return None

    # An escape like \ud800 stands for half a character: it is kept as it is written.
    return masked.encode(errors="backslashreplace").decode()


def _walked(value: Any) -> Any:
    match value:
        case dict():
            return {
                _searched(name): MASK if _is_secret(name) else _walked(below)
                for name, below in value.items()
            }
        case list():
            return [_walked(below) for below in value]
        case str():
            inner = None
            if value.lstrip().startswith(("{", "[")):
                inner = _walked_text(value)
            return _searched(value) if inner is None else inner
        case _:
            return value


def _searched(text: str) -> str:
    """Mask what looks like a secret in any text."""
    text = _ESCAPE.sub(_unescaped, text)
    for pattern in (_SCHEME, _USERINFO, _INGEST):
        text = pattern.sub(lambda found: f"{found['kept']}{MASK}", text)
    parts: list[str] = []
    done = 0
    while named := _NAME.search(text, done):
        end = named.end()
        parts.append(text[done:end])
        done = end
        if _is_secret(named["name"]):
            value = _value_after(named)
            if value:
                parts.append(MASK)
                done = value.end()

    return "".join((*parts, text[done:]))


def _value_after(named: re.Match[str]) -> re.Match[str] | None:
    is_header = _HEADER_NAME.fullmatch(_plain(named["name"]))

    return (_LINE if is_header else _VALUE).match(named.string, named.end())


def _is_secret(name: str) -> bool:
    return _SECRET_NAME.fullmatch(_plain(name)) is not None


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).lower()


def _unescaped(found: re.Match[str]) -> str:
    r"""Return what \u005f stands for; quotes stay escaped: they end nothing."""
    character = chr(int(found[1], 16))

    return f"\\{character}" if character in "\"'\\" else character


def _unquoted(found: re.Match[str]) -> str:
    return unquote(found[0])
