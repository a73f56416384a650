"""Secrets from files: next to each secret setting `SHOAL_X` stands `SHOAL_X_FILE`, the path of a file that holds it.

Kubernetes and Docker mount secrets so. pydantic-settings has `secrets_dir`, one folder whose files are named like the
settings; a variable for each secret leaves names and places to whoever mounts them, and a typo is an error.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

from models.errors import ConfigError


def is_secret(field: FieldInfo) -> bool:
    """True for a setting that is masked when printed, and may come from a file."""
    return field.annotation is SecretStr


class SecretFiles(PydanticBaseSettingsSource):
    """The source of pydantic-settings. `ConfigError` for a file that cannot be read, and for a secret given twice."""

    def __call__(self) -> dict[str, Any]:
        found = ((name, self._read(name)) for name, field in self.settings_cls.model_fields.items() if is_secret(field))
        return {name: value for name, value in found if value is not None}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """One setting, as the protocol of sources asks for it."""
        return self._read(field_name) if is_secret(field) else None, field_name, False

    def _read(self, name: str) -> str | None:
        variable = f"{self.config['env_prefix']}{name}".upper()
        path = os.environ.get(f"{variable}_FILE")
        if not path:
            return None
        if os.environ.get(variable):
            raise ConfigError(f"both {variable} and {variable}_FILE are set. Set one of them.")
        try:
            return Path(path).expanduser().read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise ConfigError(f"{variable}_FILE names {path!r}, which cannot be read ({why}).") from None
