"""Which function runs which step of which action. A test finds any step of a recipe that has none."""

from __future__ import annotations

from collections.abc import Mapping

from shared.domain.operation import Action
from shared.domain.recipes import AUTHENTIK, OCIS, STALWART
from worker.steps.files import ensure_files
from worker.steps.identity import ensure_group
from worker.steps.mail import ensure_mail
from worker.steps.work import StepFunction

_ENSURE: Mapping[str, StepFunction] = {AUTHENTIK: ensure_group, STALWART: ensure_mail, OCIS: ensure_files}

STEPS: Mapping[Action, Mapping[str, StepFunction]] = {Action.PROVISION: _ENSURE, Action.RECONCILE: _ENSURE}
