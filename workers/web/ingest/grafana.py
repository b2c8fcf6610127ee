"""
What Grafana adds to Alertmanager's shape.

Its alerting sends version 1 of the same body, with what its own rules know: the panel,
the values that were measured, a link to silence it. A body of either shape is read for
what it has, whichever address it came to.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from workers.web.bodies import Json
from workers.web.ingest.fields import Fields

VERSION = "1"
ORGANISATION = "grafana_org"
# The nearest to what people want to look at comes first.
LINKS = ("panelURL", "dashboardURL", "generatorURL")


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """
    What Grafana says of an alert beyond what Alertmanager does.

    Attributes:
        labels: One that tells several organisations of one Grafana apart.
        title: Of the whole group; the alert's own goes before it.
        message: Of the whole group, if it tells of this alert only.
        extras: What was measured, and where to silence it.
    """

    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    title: str = ""
    message: str = ""
    extras: str = ""

    @classmethod
    def to(cls, notice: Fields, body: Mapping[str, Json]) -> Self:
        """Read what was added to an alert; nothing if somebody else wrote the body."""
        if "orgId" not in body and body.get("version") != VERSION:
            return cls()
        notices = body.get("alerts")
        is_alone = isinstance(notices, list) and len(notices) == 1

        return cls(
            labels=_organisation(body),
            title=_text(body, "title"),
            message=_text(body, "message") if is_alone else "",
            extras=_extras(notice),
        )


def link_of(notice: Fields) -> str:
    """Return the link that shows most; Alertmanager's alerts have only the last."""
    return next((link for name in LINKS if (link := notice.link(name))), "")


def _organisation(body: Mapping[str, Json]) -> Mapping[str, str]:
    number = body.get("orgId")
    is_told = isinstance(number, int) and not isinstance(number, bool)

    return {ORGANISATION: str(number)} if is_told else {}


def _text(body: Mapping[str, Json], name: str) -> str:
    text = body.get(name)

    return text if isinstance(text, str) else ""


def _extras(notice: Fields) -> str:
    silence = notice.link("silenceURL")
    lines = [notice.text("valueString"), f"Silence it: {silence}" if silence else ""]

    return "\n".join(line for line in lines if line)
