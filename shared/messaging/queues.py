"""Task and queue names: the whole contract between who sends and who works."""

from __future__ import annotations

from shared.tenants.transitions import LONGEST_FIRST

RUN_STEP = "dezky.run_step"
FINALIZE = "dezky.finalize"

#: the queue of messages that belong to no integration
CONTROL_QUEUE = "control"
QUEUES = (*LONGEST_FIRST, CONTROL_QUEUE)
