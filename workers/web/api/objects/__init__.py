"""What is configured: each kind of objects has the same routes."""

from fastapi import APIRouter

from workers.web.api.objects import integrations, settings, tokens
from workers.web.api.objects.integrations import INTEGRATIONS
from workers.web.api.objects.people import GROUPS, TEAMS, URGENCIES, USERS
from workers.web.api.objects.places import PLACES
from workers.web.api.objects.policies import POLICIES, SCHEDULES
from workers.web.api.objects.routes import router_of

RESOURCES = (
    USERS,
    TEAMS,
    GROUPS,
    PLACES,
    SCHEDULES,
    URGENCIES,
    POLICIES,
    INTEGRATIONS,
)

router = APIRouter()
for resource in RESOURCES:
    router.include_router(router_of(resource))
for module in (integrations, tokens, settings):
    router.include_router(module.router)
