"""Sources of settings: `<NAME>_FILE` names a file with the value of `<NAME>`, such as a container secret.

Former names of renamed settings are accepted for one release, also as `<NAME>_FILE`. New names take precedence.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import structlog
from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

log = structlog.get_logger(__name__)

SUFFIX = "_FILE"
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


class FileUnreadable(Exception):
    """A setting names a file that cannot be read; the message names variable and file."""


class FileSettingsSource(PydanticBaseSettingsSource):
    """Read the file that `<NAME>_FILE` names; `<NAME>` itself takes precedence. An empty file counts as not set.

    Raises FileUnreadable for a file that cannot be read.
    """

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        variable = f"{field_name.upper()}{SUFFIX}"
        path = os.environ.get(variable)
        if not path:
            return None, field_name, False
        try:
            # utf-8-sig removes the byte order mark that some editors add, which would become part of a secret
            text = Path(path).read_text(encoding="utf-8-sig").strip()
        except (OSError, UnicodeDecodeError) as problem:
            why = problem.strerror if isinstance(problem, OSError) else "it is not text"
            raise FileUnreadable(f"{variable} names {path}, which cannot be read: {why}") from None
        return text or None, field_name, False

    def __call__(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, field in self.settings_cls.model_fields.items():
            value, key, _ = self.get_field_value(field, name)
            if value is not None:
                found[key] = value
        return found


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
