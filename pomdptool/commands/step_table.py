"""Steps of an episode as rows of a table, printed one at a time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from pomdptool.drawing.canvas import elided
from pomdptool.model import Model

if TYPE_CHECKING:
    from pomdptool.acting.runners import RecordedStep
    from pomdptool.sparse import FloatArray

MAX_SPLIT = 4
"""Maximum number of states that have a column each for their probability."""

MAX_LISTED = 3
"""Maximum number of states of a belief that are listed in larger models."""

MAX_NAME = 24
"""Maximum length of a name in a column."""

MAX_REWARDS = 10_000
"""Maximum number of rewards that are examined for the width of their column."""

STEP, SIMS, PROBABILITY = "00.00", "000000", "0.00123"
"""Texts as wide as most steps (episode.step), numbers of simulations and probabilities."""

NAMES = 4
"""Number of columns at the left that hold names; the others hold numbers."""

BELIEF = "belief before"


class StepTable:
    """Aligned columns: step, state, action, observation, reward, simulations and belief.

    A small model has a column for the probability of each state. In a larger one the most probable
    states are listed in the order of the model, as many as fit into `width` characters.

    Attributes
    ----------
    header
        Lines above the first row.
    """

    def __init__(self, model: Model, *, planned: bool, width: int | None = None) -> None:
        self.sign, self.planned = -1.0 if model.costs else 1.0, planned
        self.width = math.inf if width is None else width
        self.states, self.actions, self.observations = (
            [elided(name, MAX_NAME, "..") for name in names]
            for names in (model.states, model.actions, model.observations)
        )
        rewards = np.unique(model.rewards.stored)[:MAX_REWARDS].tolist()
        columns = [
            ("step", [STEP]),
            ("state", self.states),
            ("action", self.actions),
            ("observation", self.observations),
            ("cost" if model.costs else "reward", list(map(self._reward, rewards))),
            *[("sims", [SIMS])] * planned,
        ]
        self.widths = [max(map(len, [title, *texts])) for title, texts in columns]
        titles = [title for title, _ in columns]
        probabilities = [max(len(name), len(PROBABILITY)) for name in self.states]
        small = model.n_states <= MAX_SPLIT
        wanted = probabilities if small else [max(probabilities) + len(PROBABILITY)] * MAX_LISTED
        self.gap = "  " if self._fits(wanted, 2) else " "
        self.begin = sum(self.widths) + len(self.gap) * len(self.widths)
        self.split = small and self._fits(probabilities, len(self.gap))
        if self.split:
            self.widths += probabilities
            above = f"{'':<{self.begin}}{BELIEF}"
            self.header = [above, self._row([*titles, *self.states])]
        else:
            self.header = [self._row(titles) + self.gap + BELIEF]

    def row(self, recorded: RecordedStep) -> str:
        """The row of a step."""
        step, decision, belief = recorded.step, recorded.decision, recorded.belief
        cells = [
            f"{recorded.episode}.{step.time}",
            self.states[step.state],
            self.actions[step.action],
            self.observations[step.observation],
            self._reward(step.reward),
        ]
        if self.planned:
            cells.append("" if decision is None else str(decision.sims))
        if belief is None:
            return self._row(cells).rstrip()
        if self.split:
            return self._row([*cells, *(f"{p:.3g}" for p in belief.tolist())])
        return self._row(cells) + self.gap + self._listed(belief)

    def _fits(self, more: list[int], gap: int) -> bool:
        """Whether these columns fit beside the others."""
        return sum(self.widths) + sum(more) + gap * (len(self.widths) + len(more) - 1) <= self.width

    def _row(self, cells: list[str]) -> str:
        """Cells side by side: names to the left, numbers to the right."""
        return self.gap.join(
            f"{cell:<{width}}" if k < NAMES else f"{cell:>{width}}"
            for k, (cell, width) in enumerate(zip(cells, self.widths, strict=False))
        )

    def _reward(self, reward: float) -> str:
        return f"{self.sign * reward + 0.0:g}"

    def _listed(self, belief: FloatArray) -> str:
        """The most probable states and the number of others."""
        possible = int((belief > 0.0).sum())
        likely = (-belief).argsort(kind="stable")[: min(MAX_LISTED, possible)].tolist()
        for n in range(len(likely), 0, -1):
            shown = ", ".join(f"{self.states[s]} {belief[s]:.3g}" for s in sorted(likely[:n]))
            text = f"{shown} and {possible - n} more" if possible > n else shown
            if self.begin + len(text) <= self.width:
                return text
        return f"{self.states[likely[0]]} {belief[likely[0]]:.3g} .."
