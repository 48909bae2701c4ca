"""Read settings from files: `<NAME>_FILE` names a file with the value of `<NAME>`, such as a container secret."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

SUFFIX = "_FILE"


class FileUnreadable(Exception):
    """A setting names a file that cannot be read; the message names variable and file."""


class FileSettingsSource(PydanticBaseSettingsSource):
    """Read the file that `<NAME>_FILE` names; `<NAME>` itself takes precedence. An empty file counts as not set.

    Raises FileUnreadable for a file that cannot be read.
    """

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        super().__init__(settings_cls)

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
