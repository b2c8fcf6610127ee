"""
The shell around the core: load, decide, store, act.

Nothing else performs effects. The order is the whole point: effects are carried
out after the incident is stored, so a crash in between may repeat one, and each
is safe to repeat; but it never loses one.
"""

from engine.service.administration import Administration
from engine.service.caretaker import Caretaker
from engine.service.couriers import Couriers
from engine.service.engine import Engine
from engine.service.look_ups import LookUps
from engine.service.settlement import INCIDENTS
from engine.service.tally import Tally

__all__ = [
    "INCIDENTS",
    "Administration",
    "Caretaker",
    "Couriers",
    "Engine",
    "LookUps",
    "Tally",
]
