"""The HTTP contract of items and users: answers, and how bodies stand in the OpenAPI document."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from models.catalogue_entries import ENTRIES, ItemEntry, Kind, UserEntry
from models.events import MAX_ID_BYTES
from serve_apps.http.api import MAX_BATCH

_VERSION = "UTC moment of its last change."


class ItemResponse(ItemEntry):
    """An item as it is kept."""

    item_id: str
    updated_at: datetime = Field(description=_VERSION)


class UserResponse(UserEntry):
    """A user's profile as it is kept."""

    user_id: str
    updated_at: datetime = Field(description=_VERSION)


class DeletedItem(BaseModel):
    """It is in no answer from now on."""

    item_id: str
    deleted: Literal[True] = True


class EntryVerdict(BaseModel):
    """What became of one entry of a batch."""

    index: int
    status: Literal["created", "updated", "unchanged", "rejected"]
    id: str | None = None
    reason: str | None = None


class EntriesResponse(BaseModel):
    """What was taken is durable and in the next answer."""

    created: int
    updated: int
    unchanged: int
    rejected: int
    results: list[EntryVerdict]


def entry_body(kind: Kind) -> dict[str, Any]:
    """The request body of one entry, for the OpenAPI document."""
    return _body(_schema(kind))


def patch_body(kind: Kind) -> dict[str, Any]:
    """The request body of a merge patch."""
    return _body({**_schema(kind), "description": "A merge patch (RFC 7396): null removes a field."})


def entries_body(kind: Kind) -> dict[str, Any]:
    """The request body of a batch."""
    one = _schema(kind)
    one["properties"] = {kind.key: {"type": "string", "minLength": 1, "maxLength": MAX_ID_BYTES}, **one["properties"]}
    one["required"] = [kind.key]
    many = {"type": "array", "items": one, "minItems": 1, "maxItems": MAX_BATCH}
    named = {"type": "object", "properties": {f"{kind}s": many}, "required": [f"{kind}s"]}
    return _body({"anyOf": [one, many, {**named, "additionalProperties": False}]})


def _schema(kind: Kind) -> dict[str, Any]:
    return ENTRIES[kind].model_json_schema()


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
