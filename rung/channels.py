"""
Channels by others: what an entry point of the group `rung.channels` needs.

Its name is the channel's, its factory is called with the environment and returns a
`Channel`. docs/plugins.md shows one whole.
"""

from engine.core.events import Outcome
from engine.core.incident import Status
from engine.ports import Channel, DeliveryResult, Notification

__all__ = ["Channel", "DeliveryResult", "Notification", "Outcome", "Status"]
