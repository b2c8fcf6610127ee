"""Ingest: one module for each kind of sender, and what they have in common."""

from fastapi import APIRouter

from workers.web.ingest import addresses, pagerduty
from workers.web.ingest.admission import Admission
from workers.web.ingest.rejections import Rejections

__all__ = ["Admission", "Rejections", "router"]

router = APIRouter()
router.include_router(addresses.router)
router.include_router(pagerduty.router)
