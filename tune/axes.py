"""How a setting is laid along an axis from 0 to 1: evenly, by its logarithm, or in steps, as its space draws it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ray.tune.search.sample import Categorical, LogUniform, Quantized

from tune.spaces import Space


@dataclass(frozen=True, slots=True)
class Axis:
    """A range of numbers, or `steps`: the values of a choice, in the order that the space lists them."""

    low: float = 0.0
    high: float = 1.0
    log: bool = False
    steps: tuple[Any, ...] = ()

    def place(self, value: Any) -> float:
        """Where a value lies, from 0 to 1; the middle where there is only one value."""
        if self.steps:
            return self.steps.index(value) / (len(self.steps) - 1) if len(self.steps) > 1 else 0.5
        low, high, at = (self._scale(number) for number in (self.low, self.high, value))
        return (at - low) / (high - low) if high > low else 0.5

    def ticks(self) -> list[tuple[float, str]]:
        """Places and labels: each step, the decades within a logarithmic range, or five even ones."""
        if self.steps:
            return [(self.place(step), str(step)) for step in self.steps]
        if self.low == self.high:
            return [(0.5, f"{self.low:.3g}")]
        if self.log:
            inner = [10.0**power for power in range(math.ceil(math.log10(self.low)), math.ceil(math.log10(self.high)))]
        else:
            inner = [self.low + (self.high - self.low) * quarter / 4 for quarter in (1, 2, 3)]
        apart = [number for number in inner if 0.05 < self.place(number) < 0.95]
        return [(self.place(number), f"{number:.3g}") for number in (self.low, *apart, self.high)]

    def _scale(self, number: float) -> float:
        return math.log(number) if self.log else float(number)


def axis_of(domain: Any) -> Axis:
    """The axis of one of Ray Tune's distributions."""
    if isinstance(domain, Categorical):
        return Axis(steps=tuple(domain.categories))
    sampler = domain.get_sampler()
    inner = sampler.get_sampler() if isinstance(sampler, Quantized) else sampler
    return Axis(float(domain.lower), float(domain.upper), log=isinstance(inner, LogUniform))


def axis_over(values: Sequence[float]) -> Axis:
    """An even axis from the least value to the greatest."""
    return Axis(min(values), max(values))


def describe(space: Space) -> dict[str, str]:
    """What is searched, in words: `0.03 to 0.3, by logarithm`, `one of 32, 64, 96`."""
    return {key: _words(axis_of(domain)) for key, domain in space.items()}


def _words(axis: Axis) -> str:
    if axis.steps:
        return f"one of {', '.join(map(str, axis.steps))}"
    return f"{axis.low:g} to {axis.high:g}{', by logarithm' if axis.log else ''}"
