"""Every environment variable of Shoal, once.

All are prefixed `SHOAL_`. With none set, everything lives under `~/.shoal` on this machine.
"""

from __future__ import annotations

from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from models.errors import ConfigError


class Settings(BaseSettings):
    """Where things are kept and how the server listens. Secrets are masked when printed."""

    model_config = SettingsConfigDict(env_prefix="SHOAL_", frozen=True, extra="ignore")

    home: Path = Field(Path("~/.shoal"), description="Root of everything kept on this machine.")
    lake: str = Field("", description="Delta lake: a folder or s3://bucket/prefix. Default: HOME/lake.")
    registry: str = Field("", description="Bundle registry: a folder or s3://. Default: HOME/registry.")
    runs: str = Field("", description="Training runs and checkpoints: a folder or s3://. Default: HOME/runs.")
    receipts: str = Field("", description="Receipts of erasures: a folder or s3://. Default: HOME/receipts.")
    store: SecretStr = Field(
        SecretStr(""), description="Online store: sqlite:///path or redis://host:6379/0. Default: HOME/online.db."
    )
    experiments: Path | None = Field(None, description="Experiments file (TOML). Default: the champion for all.")
    host: str = Field("127.0.0.1", description="Address the HTTP server listens on.")
    port: int = Field(8000, ge=1, le=65535, description="Port the HTTP server listens on.")
    api_keys: SecretStr = Field(SecretStr(""), description="Comma-separated API keys; needed to listen off loopback.")
    privacy_key: SecretStr = Field(
        SecretStr(""),
        description="Master key of privacy, 64 hex digits. Default: the file HOME/privacy.key, made on use.",
    )
    s3_endpoint: str | None = Field(None, description="S3 endpoint other than AWS's, e.g. http://minio:9000.")
    seed: int = Field(2026, ge=0, description="The one seed every random choice derives from.")

    def __init__(self, **given: Any) -> None:
        try:
            super().__init__(**given)
        except ValidationError as error:
            wrong = error.errors()[0]
            name, seen = str(wrong["loc"][0]), wrong["input"]
            raise ConfigError(f"SHOAL_{name.upper()} (or --{name}) is wrong: {wrong['msg']}; it is {seen!r}.") from None

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @cached_property
    def lake_uri(self) -> str:
        """Root of the Delta tables."""
        return self._place(self.lake, "lake")

    @cached_property
    def registry_uri(self) -> str:
        """Root of the published bundles."""
        return self._place(self.registry, "registry")

    @cached_property
    def runs_uri(self) -> str:
        """Root of the training runs."""
        return self._place(self.runs, "runs")

    @cached_property
    def receipts_uri(self) -> str:
        """Where the receipts of erasures go."""
        return self._place(self.receipts, "receipts")

    @cached_property
    def store_url(self) -> str:
        """Address of the online store; may hold a password, so never print it."""
        return self.store.get_secret_value() or f"sqlite:///{self.home / 'online.db'}"

    @cached_property
    def api_key_list(self) -> tuple[str, ...]:
        """The accepted API keys; empty means no key is asked for."""
        return tuple(k.strip() for k in self.api_keys.get_secret_value().split(",") if k.strip())

    def check_listen(self) -> None:
        """Raise `ConfigError` when the server would listen off loopback without a key."""
        if self.api_key_list or _is_loopback(self.host):
            return
        raise ConfigError(
            f"the server would listen on {self.host} without a key. "
            "Set SHOAL_API_KEYS, or listen on loopback (SHOAL_HOST=127.0.0.1)."
        )

    def _place(self, value: str, default: str) -> str:
        return place(value or str(self.home / default))


def place(value: str) -> str:
    """A folder as an absolute path, whatever the working directory of its reader; an address as it is."""
    return value.rstrip("/") if "://" in value else str(Path(value).expanduser().absolute())


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
