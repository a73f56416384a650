"""Several things side by side; one alone needs no task of its own, which would cost a turn of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TypeVar

_Result = TypeVar("_Result")


async def together(works: Sequence[Awaitable[_Result]]) -> list[_Result]:
    """The results in order; the first failure is raised."""
    if len(works) == 1:
        return [await works[0]]
    return list(await asyncio.gather(*works))
