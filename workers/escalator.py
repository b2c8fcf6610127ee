"""The worker process: woken by timers and kicks, it drains, delivers and ends in order."""

import structlog

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

# A drain ends within two seconds by itself.
ROUNDS_SECONDS_MAX = 3.0
# Heroku and Kubernetes kill 30 s after SIGTERM, some 20 s.
SENDS_SECONDS_MAX = 18.0
