"""A question for a home row that also says what stands where: the body of `POST /api/recommendations/home`."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from models.selection import Boost, Control, Cursor
from models.selection.boosts import MAX_ADD, MAX_MULTIPLY
from models.selection.control import MAX_POSITION
from serve_apps.chain.messages import HomeQuery
from serve_apps.http.api import FilterText, HomeParams, Id
from serve_apps.http.model_bodies import described

MAX_PLACED = 64
"""Items that one request pins, and that it promotes."""
MAX_FILTERS = 8
"""Filters by which one request boosts, and by which it buries."""
Position = Annotated[int, Field(ge=0, lt=MAX_POSITION, description="Place in the row, from 0.")]
_Key = Annotated[int, Field(strict=False, ge=0, lt=MAX_POSITION)]
"""A position as the key of an object, which JSON writes as text."""
_CONTROL = ("pins", "promoted", "promoted_positions", "boosts", "buried")


class BoostBody(BaseModel):
    """Relevance, which goes from 0 to 1, becomes `relevance × multiply + add` for what passes `filter`."""

    model_config = ConfigDict(extra="forbid")

    filter: FilterText
    multiply: float = Field(1.0, ge=0, le=MAX_MULTIPLY, allow_inf_nan=False)
    add: float = Field(0.0, ge=-MAX_ADD, le=MAX_ADD, allow_inf_nan=False)


class HomeBody(HomeParams):
    """What `GET` takes, and what stands where. What the user may not see stays out, pinned or not."""

    pins: dict[_Key, Id] = Field({}, max_length=MAX_PLACED, description='Items by position: {"0": "i12"}.')
    promoted: list[Id] = Field([], max_length=MAX_PLACED, description="Items that take the promoted positions in turn.")
    promoted_positions: list[Position] = Field([], max_length=MAX_PLACED)
    boosts: list[BoostBody] = Field([], max_length=MAX_FILTERS, description="Applied in their order.")
    buried: list[FilterText] = Field(
        [], max_length=MAX_FILTERS, description="What passes one of these filters comes behind all else."
    )

    @field_validator("pins")
    @classmethod
    def _pins(cls, pins: dict[int, str]) -> dict[int, str]:
        Control(pins)  # an item pinned twice is said under the name of the field
        return pins

    @field_validator("promoted")
    @classmethod
    def _promoted(cls, promoted: list[str]) -> list[str]:
        Control(promoted=tuple(promoted))
        return promoted

    @field_validator("promoted_positions")
    @classmethod
    def _positions(cls, positions: list[int], info: ValidationInfo) -> list[int]:
        Control(info.data.get("pins", {}), promoted_positions=tuple(positions))
        return positions

    @model_validator(mode="after")
    def _one_or_the_other(self) -> Self:
        said = [name for name in _CONTROL if getattr(self, name)]
        if said and self.cursor is not None:
            raise ValueError("cursor: its list stands already. Pin, promote, boost and bury with the first page")
        if said and self.rows is not None:
            raise ValueError(f"rows: a page of rows takes no {', '.join(said)}. Leave them out, or ask for one row")
        return self

    def to_query(self, cursor: Cursor | None = None) -> HomeQuery:
        """The question as it crosses the graph."""
        asked = super().to_query(cursor)
        control = self._control()
        return asked if control == Control() else replace(asked, control=control)

    def _control(self) -> Control:
        return Control(
            self.pins,
            tuple(self.promoted),
            tuple(self.promoted_positions),
            tuple(Boost(one.filter, one.multiply, one.add) for one in self.boosts),
            tuple(self.buried),
        )


def home_body() -> dict[str, Any]:
    """The body for the OpenAPI document, in one piece: a reference inside it would lead nowhere."""
    document = described(HomeBody)
    schema = document["requestBody"]["content"]["application/json"]["schema"]
    schema["properties"]["boosts"]["items"] = schema.pop("$defs")[BoostBody.__name__]
    return document
