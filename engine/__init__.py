"""The engine: takes in alerts, walks policies, pages people."""
