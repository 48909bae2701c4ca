"""Accept the former names of renamed settings for one release, also as `<NAME>_FILE`. New names take precedence."""

from __future__ import annotations

import os
from typing import Any

import structlog
from pydantic.fields import FieldInfo

from shared.config.files import SUFFIX, FileSettingsSource

log = structlog.get_logger(__name__)

#: setting to its former name
FORMER_NAMES = {
    "scheduler_interval_seconds": "sweep_interval_seconds",
    "drift_check_hours": "drift_look_hours",
    "drift_checks_at_a_time": "drift_looks_at_a_time",
    "orphan_scan_hours": "orphan_look_hours",
    "integration_concurrency": "integration_slots",
    "webhook_concurrency": "webhook_slots",
    "domain_check_interval_seconds": "domain_check_pause_seconds",
}


class FormerNamesSource(FileSettingsSource):
    """Read a renamed setting from its former variable, or from the file that the former `<NAME>_FILE` names."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        former = FORMER_NAMES.get(field_name)
        if former is None:
            return None, field_name, False
        value = os.environ.get(former.upper()) or super().get_field_value(field, former)[0]
        return value or None, field_name, False


def used_former_names() -> dict[str, str]:
    """Return the former variables that the environment sets, each with the new variable."""
    return {
        f"{former}{suffix}".upper(): f"{name}{suffix}".upper()
        for name, former in FORMER_NAMES.items()
        for suffix in ("", SUFFIX)
        if os.environ.get(f"{former}{suffix}".upper())
    }


def warn_of_former_names() -> None:
    """Log a warning for each former variable that is set. Call it at start, after the logs are configured."""
    for former, name in used_former_names().items():
        log.warning("settings.former_name", variable=former, remedy=f"rename {former} to {name}")
