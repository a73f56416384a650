"""Every environment variable of Shoal, once.

All are prefixed `SHOAL_`. With none set, everything lives under `~/.shoal` on this machine. A secret one may come from
a file instead, named by `SHOAL_…_FILE` (`cluster/secret_files.py`).
"""

from __future__ import annotations

import re
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from cluster.access.api_keys import Rates
from cluster.secret_files import SecretFiles, is_secret
from models.errors import ConfigError
from models.events import MAX_CLOCK_SKEW

_MAX_SKEW_S = int(MAX_CLOCK_SKEW.total_seconds())

NUM_PARTITIONS = 4
"""Of the event log of a store that is made now; one that is there keeps its number."""


class Settings(BaseSettings):
    """Where things are kept and how the server listens. Secrets are masked when printed."""

    model_config = SettingsConfigDict(env_prefix="SHOAL_", frozen=True, extra="ignore")

    home: Path = Field(Path("~/.shoal"), description="Root of everything kept on this machine.")
    lake: str = Field("", description="Delta lake: a folder or s3://bucket/prefix. Default: HOME/lake.")
    registry: str = Field("", description="Bundle registry: a folder or s3://. Default: HOME/registry.")
    runs: str = Field("", description="Training runs and checkpoints: a folder or s3://. Default: HOME/runs.")
    receipts: str = Field("", description="Receipts of erasures: a folder or s3://. Default: HOME/receipts.")
    store: SecretStr = Field(
        SecretStr(""),
        description="Online store: sqlite:///path, redis://host:6379/0 or redis-cluster://host:6379. "
        "Default: HOME/online.db.",
    )
    experiments: Path | None = Field(None, description="Experiments file (TOML). Default: the champion for all.")
    host: str = Field("127.0.0.1", description="Address the HTTP server listens on.")
    port: int = Field(8000, ge=1, le=65535, description="Port the HTTP server listens on.")
    min_replicas: int | None = Field(
        None,
        ge=1,
        description="Replicas of each deployment, at least; with 2, one may die unseen. Default: 1.",
    )
    max_replicas: int | None = Field(
        None, ge=1, description="Replicas of each deployment, at most. Default: half as many as there are cores."
    )
    upscale_delay_s: float | None = Field(None, ge=0, description="Seconds of load before one more. Default: 5.")
    downscale_delay_s: float | None = Field(None, ge=0, description="Seconds of calm before one less. Default: 60.")
    api_keys: SecretStr = Field(
        SecretStr(""), description="Comma-separated API keys that may do everything. Better: keys_file."
    )
    privacy_key: SecretStr = Field(
        SecretStr(""),
        description="Master key of privacy, 64 hex digits. Default: the file HOME/privacy.key, made on use.",
    )
    keys_file: Path | None = Field(
        None, description="Hashed API keys, made by shoal keys. Default: HOME/keys.json, when it is there."
    )
    requests_per_s: float = Field(0, ge=0, description="Requests a second of a key to a replica; 0: no limit.")
    requests_burst: int | None = Field(None, ge=1, description="Requests at once. Default: two seconds' worth.")
    events_per_s: float = Field(0, ge=0, description="Events a second of a key to a replica; 0: no limit.")
    events_burst: int | None = Field(None, ge=1, description="Events at once. Default: two seconds' worth.")
    max_clock_skew_s: int = Field(
        _MAX_SKEW_S, ge=0, le=_MAX_SKEW_S, description="How far in the future an event sent over HTTP may lie."
    )
    max_lateness_s: int = Field(365 * 86_400, ge=1, description="How old an event sent over HTTP may be.")
    kafka_protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = Field(
        "plaintext", description="How Kafka brokers are spoken to: plaintext, ssl, sasl_plaintext or sasl_ssl."
    )
    kafka_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="How Kafka is told who we are: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512."
    )
    kafka_username: str = Field("", description="Who we are to Kafka.")
    kafka_password: SecretStr = Field(SecretStr(""), description="Password for Kafka.")
    kafka_ca_file: Path | None = Field(None, description="Certificates (PEM) to trust Kafka by. Default: the system's.")
    s3_endpoint: str | None = Field(None, description="S3 endpoint other than AWS's, e.g. http://minio:9000.")
    seed: int = Field(2026, ge=0, description="The one seed every random choice derives from.")
    partitions: int = Field(
        NUM_PARTITIONS,
        ge=1,
        le=256,
        description="Partitions of the event log of a new online store; one that is there keeps its own.",
    )
    consumers: int = Field(1, ge=0, le=256, description="Processes that move the event log on beside a server.")
    lake_interval_s: float = Field(2.0, gt=0, description="Seconds between two moves of the event log to the lake.")
    trending_half_life_s: float = Field(
        21_600.0, gt=0, description="Seconds after which an event weighs half in what is trending."
    )

    def __init__(self, **given: Any) -> None:
        try:
            super().__init__(**given)
        except ValidationError as error:
            wrong = error.errors()[0]
            name = str(wrong["loc"][0])
            seen = "****" if is_secret(type(self).model_fields[name]) else wrong["input"]
            raise ConfigError(f"SHOAL_{name.upper()} (or --{name}) is wrong: {wrong['msg']}; it is {seen!r}.") from None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is given, then files of secrets, then the environment."""
        return init_settings, SecretFiles(settings_cls), env_settings

    @field_validator("home", "keys_file")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return value.expanduser().absolute() if value else None

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
        """The keys of `api_keys`, which may stand on lines of their own too."""
        return tuple(key.strip() for key in re.split(r"[,\n]", self.api_keys.get_secret_value()) if key.strip())

    @cached_property
    def keys_path(self) -> Path:
        """The file of hashed API keys; it need not be there."""
        return self.keys_file or self.home / "keys.json"

    @cached_property
    def rates(self) -> Rates:
        """Limits of a key that has none of its own."""
        return Rates(**{name: getattr(self, name) for name in Rates.model_fields})

    @property
    def asks_for_keys(self) -> bool:
        """True when there is any list of keys, be it one that lets nobody in."""
        return bool(self.api_key_list) or self.keys_file is not None or self.keys_path.exists()

    def check_listen(self) -> None:
        """Raise `ConfigError` when the server would listen off loopback without a key."""
        if self.asks_for_keys or _is_loopback(self.host):
            return
        raise ConfigError(
            f"the server would listen on {self.host} without a key. "
            "Set SHOAL_API_KEYS, make a key (shoal keys add), or listen on loopback (SHOAL_HOST=127.0.0.1)."
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
