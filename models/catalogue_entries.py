"""One item or one user as it is put: its fields, what is wrong with it, its document, and merge patches.

A document is the JSON of an entry without what is absent; two equal entries have equal documents.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Any, Self

import orjson
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from models.errors import InputError
from models.events import MAX_ID_BYTES, check_id

MAX_DOCUMENT_BYTES = 65_536
MAX_NAMES = 256
"""Categories, tags and countries of an item, each."""
_SEEN_CHARS = 60
_LAST_MOMENT = datetime(9999, 1, 1, tzinfo=UTC)
_FIRST_MOMENT = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER = re.compile(r"\s*[-+]?[0-9.]+\s*")
_RELEASED_SCHEMA = WithJsonSchema({"anyOf": [{"type": "string", "format": each} for each in ("date", "date-time")]})


class Kind(StrEnum):
    """What the catalogue holds."""

    ITEM = "item"
    USER = "user"

    @property
    def key(self) -> str:
        """Name of its id, in bodies and in the lake."""
        return f"{self.value}_id"


def _check_name(value: str) -> str:
    return check_id("it", value)


def _check_text(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InputError("it is not valid UTF-8. Send well-formed Unicode text.") from None
    return value


def _check_moment(value: datetime) -> datetime:
    if not _FIRST_MOMENT <= value < _LAST_MOMENT:
        raise InputError(f"{value.isoformat()} is not between 1970 and {_LAST_MOMENT:%Y}. Check its unit.")
    return value.astimezone(UTC)


def _check_written(value: object) -> object:
    """A number, also one in quotes, is refused: seconds or milliseconds? And 0 is 1970, where some mean never."""
    if isinstance(value, int | float) or (isinstance(value, str) and _NUMBER.fullmatch(value)):
        raise InputError("it is a number, whose unit is not known. Send 2026-01-31T12:00:00Z.")
    return value


def _check_released(value: str) -> str:
    """A day, or a moment with its zone; it is kept as it is written."""
    try:
        if len(value) == len("2026-01-31"):
            date.fromisoformat(value)
        elif datetime.fromisoformat(value).tzinfo is None:
            raise ValueError
    except ValueError:
        raise InputError("it is no date. Send 2026-01-31, or 2026-01-31T12:00:00Z.") from None
    return value


Name = Annotated[str, Field(min_length=1, max_length=MAX_ID_BYTES), AfterValidator(_check_name)]
Text = Annotated[str, AfterValidator(_check_text)]
Names = Annotated[list[Name], Field(max_length=MAX_NAMES)]


class ItemEntry(BaseModel):
    """An item. What is absent, or null, is not known of it; an item is available until it says otherwise."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: Text | None = None
    categories: Names | None = None
    tags: Names | None = None
    description: Text | None = None
    metadata: dict[str, Any] | None = Field(None, description="Anything else, nested as you like; kept as it came.")
    released_at: Annotated[str, AfterValidator(_check_released), _RELEASED_SCHEMA] | None = Field(
        None, description="A day (2026-01-31), or a moment with its zone."
    )
    available: StrictBool | None = Field(None, description="False takes it out of every answer.")
    expires_at: Annotated[AwareDatetime, BeforeValidator(_check_written), AfterValidator(_check_moment)] | None = Field(
        None, description="From this moment on it is in no answer."
    )
    countries: Annotated[list[Name], Field(min_length=1, max_length=MAX_NAMES)] | None = Field(
        None, description="Shown to users of these countries alone; absent: to everybody."
    )


class UserEntry(BaseModel):
    """A user's profile. It stands for what the lake and events say of the user's country and attributes.

    Who refuses personalization has no attributes, whatever is sent or was kept of them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    country: Name | None = None
    attributes: dict[str, Any] | None = Field(None, description="Age, gender, …; personal data, never logged.")
    personalization: StrictBool | None = Field(
        None, description="The user's consent; absent: not asked. False: the attributes are not kept."
    )

    @model_validator(mode="after")
    def _without_what_is_refused(self) -> Self:
        if self.personalization is False:
            self.__dict__["attributes"] = None  # past `frozen`: the entry is being made
        return self


Entry = ItemEntry | UserEntry
ENTRIES: dict[Kind, type[ItemEntry] | type[UserEntry]] = {Kind.ITEM: ItemEntry, Kind.USER: UserEntry}


def parse_entry(kind: Kind, raw: object) -> Entry:
    """The entry, or `InputError` that names the field."""
    if not isinstance(raw, dict):
        raise InputError(f"{_a(kind)} is a JSON object; got {type(raw).__name__}.")
    model = ENTRIES[kind]
    try:
        entry: Entry = model.model_validate(raw)
    except ValidationError as error:
        raise InputError(_problem(kind, error)) from None
    document(entry)
    return entry


def parse_named(kind: Kind, raw: object) -> tuple[str, Entry]:
    """Id and entry of an object that holds both."""
    if not isinstance(raw, dict):
        raise InputError(f"{_a(kind)} is a JSON object; got {type(raw).__name__}.")
    if kind.key not in raw:
        raise InputError(f"{kind.key}: this field is needed and missing.")
    rest = {name: value for name, value in raw.items() if name != kind.key}
    return check_id(kind.key, raw[kind.key]), parse_entry(kind, rest)


def document(entry: Entry) -> bytes:
    """The JSON to keep; `InputError` when it is too large or cannot be written."""
    values = {name: getattr(entry, name) for name in type(entry).model_fields}
    try:
        body = orjson.dumps({name: value for name, value in values.items() if value is not None})
    except (TypeError, RecursionError) as error:
        raise InputError(f"it cannot be kept as JSON: {error}. Nest less deep, and send Unicode text.") from None
    if len(body) > MAX_DOCUMENT_BYTES:
        raise InputError(f"it has {len(body)} bytes; at most {MAX_DOCUMENT_BYTES} are kept. Shorten it.")
    return body


def entry_of(kind: Kind, body: bytes) -> Entry:
    """The entry that `document` wrote."""
    return ENTRIES[kind].model_validate(orjson.loads(body))


def merged(kind: Kind, body: bytes, patch: object) -> Entry:
    """The entry of a document after a merge patch (RFC 7396): null removes, objects merge, all else replaces."""
    if not isinstance(patch, dict):
        raise InputError(f"a patch is a JSON object; got {type(patch).__name__}.")
    try:
        whole = merge_patch(orjson.loads(body), patch)
    except RecursionError:
        raise InputError("the patch is nested too deep. Nest less.") from None
    unknown = [name for name in patch if name not in ENTRIES[kind].model_fields]
    return parse_entry(kind, {**whole, **{name: patch[name] for name in unknown}})


def merge_patch(target: object, patch: object) -> Any:
    """RFC 7396, section 2."""
    if not isinstance(patch, Mapping):
        return patch
    whole = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            whole.pop(name, None)
        else:
            whole[name] = merge_patch(whole.get(name), value)
    return whole


def _a(kind: Kind) -> str:
    return "an item" if kind is Kind.ITEM else "a user"


def _problem(kind: Kind, error: ValidationError) -> str:
    """The first problem in words: where, what, and what was seen."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(where, list(ENTRIES[kind].model_fields), n=1, cutoff=0.0)[0]
        rest = "metadata" if kind is Kind.ITEM else "attributes"
        return f"{where[:_SEEN_CHARS]!r}: unknown field. The nearest is {near!r}; what has none goes under {rest!r}."
    problem = first["msg"].removeprefix("Value error, ")
    return f"{where}: {problem.rstrip('.')}; got {str(first['input'])[:_SEEN_CHARS]!r}."
