"""On call: one person a week in each schedule, from Monday 09:00 UTC on."""

import json
from datetime import UTC, datetime, timedelta

from rung.oncall import OnCall, OnCallReason

START, WEEK = datetime(2026, 1, 5, 9, tzinfo=UTC), timedelta(weeks=1)


class Weekly:
    def __init__(self, environment):
        self.rotas = json.loads(environment["WEEKLY_ROTAS"])

    async def who(self, target, at):
        week, rota = (at - START) // WEEK, self.rotas.get(target.id)
        people = (rota[week % len(rota)],) if rota else ()
        reason = OnCallReason.ROTATION if rota else OnCallReason.NONE
        until = START + (week + 1) * WEEK
        return OnCall(people=people, reason=reason, source="weekly", until=until)
