"""Recent incidents: what this process has stored last is not decoded again."""

from engine.core.changing import changed
from engine.core.incident import Incident

# Some kilobytes each, and some fifty objects for the collector to look through. Who has
# more than this moving at once reads some of them again.
KEPT_MAX = 1_024


class RecentIncidents:
    """
    Incidents by the revision that is stored of them.

    A revision is a number and 32 random bits of its writer, and it is written together
    with the state: the same revision is the same state. Whatever else is stored of an
    incident, its mail and its alerts, is always read anew.
    """

    def __init__(self, kept_max: int = KEPT_MAX) -> None:
        self._kept_max = kept_max
        self._known: dict[str, tuple[str, Incident]] = {}

    def find(self, incident_id: str, revision: str) -> Incident | None:
        """Return an incident without its alerts, if this is the revision known."""
        known = self._known.get(incident_id)

        return known[1] if known is not None and known[0] == revision else None

    def keep(self, revision: str, incident: Incident) -> None:
        """Keep what is stored; what was stored the longest ago makes room."""
        known = self._known
        known.pop(incident.id, None)
        if len(known) >= self._kept_max:
            del known[next(iter(known))]
        known[incident.id] = (revision, changed(incident, alerts={}))
