"""The .alpha format of pomdp-solve: alpha vectors over all states, each with its action.

For each vector a line with the action's index, a line with a value for each state, and a blank
line. Values are rewards; costs are negated. Blank lines are ignored.
"""

from __future__ import annotations

import math
import re

import numpy as np

from pomdptool.errors import Finding, FormatError
from pomdptool.formats.limits import MAX_FINDINGS
from pomdptool.policy import AlphaVectors

_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")


def write_alpha(values: AlphaVectors) -> str:
    """Write the .alpha format."""
    return "".join(
        f"{action}\n{' '.join(map(repr, vector.tolist()))}\n\n"
        for action, vector in zip(values.actions.tolist(), values.values, strict=True)
    )


def read_alpha(
    text: str, file: str, n_states: int | None = None, n_actions: int | None = None
) -> AlphaVectors:
    """Read the .alpha format.

    Without `n_states` all vectors must be as long as the first; without `n_actions` any action is
    accepted.

    Raises FormatError with every invalid line: a value that is not a finite number, a vector of the
    wrong length, an unknown action.
    """
    reader = _Reader(file, n_states, n_actions)
    for k, line in enumerate(re.split(r"\r\n|\r|\n", text)):
        if line.strip():
            reader.read(k + 1, line)
    return reader.vectors()


class _Reader:
    """Collects vectors and errors."""

    def __init__(self, file: str, n_states: int | None, n_actions: int | None) -> None:
        self.file = file
        self.n_states, self.n_actions = n_states, n_actions
        self.findings: list[Finding] = []
        self.actions: list[int] = []
        self.rows: list[list[float]] = []
        self.action_is_next = True
        self.last = (1, 1)

    def error(self, line: int, column: int, code: str, message: str) -> None:
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(Finding(self.file, line, column, "error", code, message))

    def read(self, line: int, text: str) -> None:
        """Read a line that is not blank."""
        self.last = (line, len(text) + 1)
        if self.action_is_next:
            self.actions.append(self.action(line, text))
        else:
            self.rows.append(self.values(line, text))
        self.action_is_next = not self.action_is_next

    def action(self, line: int, text: str) -> int:
        first, *more = re.finditer(r"\S+", text)
        if not re.fullmatch("[0-9]{1,9}", first[0]):
            message = f"expected the number of an action, not {first[0][:40]!r}"
            self.error(line, first.start() + 1, "PT001", message)
            return 0
        action = int(first[0])
        if more:
            message = "expected the number of an action alone on its line"
            self.error(line, more[0].start() + 1, "PT001", message)
        elif self.n_actions is not None and action >= self.n_actions:
            message = f"there is no action {action}: the actions are 0 to {self.n_actions - 1}"
            self.error(line, first.start() + 1, "PT002", message)
        return action

    def values(self, line: int, text: str) -> list[float]:
        values = []
        for match in re.finditer(r"\S+", text):
            value = float(match[0]) if _NUMBER.fullmatch(match[0]) else math.nan
            if not math.isfinite(value):
                message = f"expected a number, not {match[0][:40]!r}"
                if not math.isnan(value):
                    message = f"the number {match[0][:40]} is too large"
                self.error(line, match.start() + 1, "PT005", message)
            values.append(value)
        self.n_states = len(values) if self.n_states is None else self.n_states
        if len(values) != self.n_states:
            message = f"expected {self.n_states} values, not {len(values)}"
            self.error(line, len(text.rstrip()) + 1, "PT006", message)
        return values

    def vectors(self) -> AlphaVectors:
        """Build the vectors after the last line."""
        if not self.actions:
            self.error(1, 1, "PT011", "there are no vectors")
        elif not self.action_is_next:
            self.error(*self.last, "PT006", "the values of the last vector are missing")
        if self.findings:
            raise FormatError(self.findings)
        return AlphaVectors(np.array(self.actions, np.int64), np.array(self.rows))
