"""How workers stop together: collectives are entered by all or by none, so the reason of one is told to the others."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from pipelines.learning.engine.stopping import Stopped, first


class AllStop(Exception):
    """Raised on every worker at the same point, once any of them has a reason to stop."""


@dataclass(frozen=True, slots=True)
class Question:
    """What the workers were asked, and are still adding up."""

    told: Tensor
    adding: dist.Work


class Agreement:
    """`reason`: this worker's, and after `AllStop` the first of all workers'."""

    def __init__(self) -> None:
        self.reason: Stopped | None = None

    def note(self, reason: Stopped | None) -> None:
        """Keep the first reason."""
        self.reason = self.reason or reason

    def anyone(self, here: bool) -> bool:
        """Whether it is so on any worker; raises `AllStop` on all when one of them has a reason."""
        return self.answer(self.ask(here))

    def ask(self, here: bool) -> Question:
        """Begin to find out; `answer` waits for the others, so that there may be work between the two."""
        told = torch.tensor([float(here), float(self.reason is not None)])
        return Question(told, dist.all_reduce(told, async_op=True))

    def answer(self, question: Question) -> bool:
        """Of `anyone`, to what was asked; workers wait for answers in the order of the questions."""
        question.adding.wait()
        here_or_there, stopping = question.told.tolist()
        if stopping:
            found: list[Stopped | None] = [None] * dist.get_world_size()
            dist.all_gather_object(found, self.reason)
            self.reason = first(found)
            raise AllStop
        return bool(here_or_there)
