"""Which function runs which step of which action. A test finds any step of a recipe that has none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from shared.domain.faults import Outcome
from shared.domain.operation import Action
from shared.domain.recipes import AUTHENTIK, OCIS, STALWART
from worker.steps.files import ensure_files
from worker.steps.identity import ensure_group
from worker.steps.mail import ensure_mail
from worker.steps.work import Work

#: takes the step's work and its integration's client
StepFunction = Callable[[Work, Any], Outcome]

_ENSURE: Mapping[str, StepFunction] = {AUTHENTIK: ensure_group, STALWART: ensure_mail, OCIS: ensure_files}

STEPS: Mapping[Action, Mapping[str, StepFunction]] = {Action.PROVISION: _ENSURE, Action.RECONCILE: _ENSURE}
