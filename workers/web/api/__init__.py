"""The native API under `/v1`: one module for each thing it shows."""

from fastapi import APIRouter

from workers.web.api import commands, comments, incidents, objects, rejected

router = APIRouter()
router.include_router(incidents.router)
router.include_router(commands.router)
router.include_router(comments.router)
router.include_router(objects.router)
router.include_router(rejected.router)
