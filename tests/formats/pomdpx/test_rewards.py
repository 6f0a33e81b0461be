"""Random factored POMDPX models agree with plain loops over all assignments."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.testing import assert_allclose

from pomdptool.formats.models import read_model
from pomdptool.formats.pomdpx import rewards as pomdpx_rewards

Entry = tuple[list[str], list[float]]
Values = dict[str, int]


@dataclass
class Loops:
    """A random factored model: its variables, its text, and its tables entry by entry."""

    rng: random.Random
    sizes: dict[str, int] = field(default_factory=dict)
    tables: dict[str, tuple[list[str], list[Entry]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        def some(letter: str, most: int) -> list[str]:
            return [f"{letter}{k}" for k in range(self.rng.randrange(1, most + 1))]

        self.states, self.actions = some("x", 3), some("a", 2)
        self.observations, self.rewards = some("o", 2), some("r", 2)
        self.next_states = [f"{x}n" for x in self.states]
        self.observed = [y for y in self.next_states if self.rng.random() < 0.3]

    # ------------------------------------------------------------ meaning

    def every(self, names: list[str]) -> list[Values]:
        """Every assignment of some variables, in order."""
        ranges = [range(self.sizes[name]) for name in names]
        return [dict(zip(names, x, strict=True)) for x in itertools.product(*ranges)]

    def value(self, table: str, at: Values) -> float:
        """What the last entry says that speaks of an assignment."""
        axes, entries = self.tables[table]
        for tokens, numbers in reversed(entries):
            k = 0
            for axis, token in zip(axes, tokens, strict=True):
                if token == "-":
                    k = k * self.sizes[axis] + at[axis]
                elif token not in ("*", self.name(axis, at[axis])):
                    break
            else:
                return numbers[k]
        return 0.0

    def product(self, tables: list[str], at: Values) -> float:
        return float(np.prod([self.value(name, at) for name in tables]))

    def name(self, variable: str, k: int) -> str:
        """A value's name; both names of a state variable have the same."""
        return f"{variable.removesuffix('n')}.{k}"

    # ------------------------------------------------------------ text

    def table(self, name: str, parents: list[str], *, probabilities: bool) -> str:
        """Draw a table: an entry for everything, then some for less that override it."""
        parents = self.rng.sample(parents, self.rng.randrange(len(parents) + 1))
        entries = [
            self.entry(name, parents, probabilities=probabilities, whole=k == 0)
            for k in range(self.rng.randrange(1, 5))
        ]
        self.tables[name] = [*parents, name] if probabilities else parents, entries
        tag, of = ("CondProb", "ProbTable") if probabilities else ("Func", "ValueTable")
        text = "".join(
            f"<Entry><Instance>{' '.join(tokens)}</Instance>"
            f"<{of}>{' '.join(map(repr, numbers))}</{of}></Entry>\n"
            for tokens, numbers in entries
        )
        return (
            f"<{tag}><Var>{name}</Var><Parent>{' '.join(parents) or 'null'}</Parent>"
            f"<Parameter>{text}</Parameter></{tag}>\n"
        )

    def entry(self, name: str, parents: list[str], *, probabilities: bool, whole: bool) -> Entry:
        rng = self.rng
        tokens = [
            "*" if whole else rng.choice(["*", "-", self.name(p, rng.randrange(self.sizes[p]))])
            for p in parents
        ]
        running = [self.sizes[p] for p, t in zip(parents, tokens, strict=True) if t == "-"]
        n = int(np.prod(running))
        if not probabilities:
            return tokens, [float(rng.randrange(-9, 9)) for _ in range(n)]
        numbers: list[float] = []
        for _ in range(n):
            weights = [rng.choice([0, 0, 1, 2, 5]) for _ in range(self.sizes[name])]
            weights[rng.randrange(len(weights))] += 1
            numbers += [w / sum(weights) for w in weights]
        return [*tokens, "-"], numbers

    def declared(self) -> str:
        text = ""
        for x, y in zip(self.states, self.next_states, strict=True):
            self.sizes[x] = self.sizes[y] = self.rng.randrange(1, 4)
            fully_observed = str(y in self.observed).lower()
            text += f'<StateVar vnamePrev="{x}" vnameCurr="{y}" fullyObs="{fully_observed}">'
            text += f"{self.values(x)}</StateVar>\n"
        for tag, names in (("ObsVar", self.observations), ("ActionVar", self.actions)):
            for name in names:
                self.sizes[name] = self.rng.randrange(1, 4)
                text += f'<{tag} vname="{name}">{self.values(name)}</{tag}>\n'
        return text + "".join(f'<RewardVar vname="{r}"/>' for r in self.rewards)

    def values(self, variable: str) -> str:
        names = (self.name(variable, k) for k in range(self.sizes[variable]))
        return f"<ValueEnum>{' '.join(names)}</ValueEnum>"

    def text(self) -> str:
        """The file; tables of a section stand in any order."""
        x, y, a, o = self.states, self.next_states, self.actions, self.observations
        text = f"<pomdpx><Discount>0.9</Discount><Variable>{self.declared()}</Variable>\n"
        sections = {
            "InitialStateBelief": [(x[k], x[:k]) for k in range(len(x))],
            "StateTransitionFunction": [(y[k], a + x + y[:k]) for k in range(len(y))],
            "ObsFunction": [(o[k], a + y + o[:k]) for k in range(len(o))],
            "RewardFunction": [(r, a + x + y + o) for r in self.rewards],
        }
        for section, tables in sections.items():
            drawn = [
                self.table(name, parents, probabilities=section != "RewardFunction")
                for name, parents in self.rng.sample(tables, len(tables))
            ]
            text += f"<{section}>{''.join(drawn)}</{section}>\n"
        return text + "</pomdpx>"


@pytest.mark.parametrize("limit", [0, 1 << 24])
@pytest.mark.parametrize("seed", range(40))
def test_random_file(seed: int, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pomdpx_rewards, "TABLE_LIMIT", limit)
    loops = Loops(random.Random(seed))
    model, findings = read_model(loops.text(), "f")
    assert model is not None, findings
    before, after = loops.every(loops.states), loops.every(loops.next_states)
    made, actions = loops.every(loops.observations), loops.every(loops.actions)
    assert_allclose(model.start, [loops.product(loops.states, s) for s in before])
    index = {name: k for k, name in enumerate(model.observations)}
    shape = (len(actions), len(before), len(after), len(index))
    T, Z, R = np.zeros(shape[:3]), np.zeros((shape[0], *shape[2:])), np.zeros(shape)
    for (i, a), (k, s2) in itertools.product(enumerate(actions), enumerate(after)):
        T[i, :, k] = [loops.product(loops.next_states, a | s | s2) for s in before]
        for o in made:
            p = loops.product(loops.observations, a | s2 | o)
            if p > 0.0:
                at = s2 | o
                z = index[
                    "_".join(loops.name(v, at[v]) for v in loops.observations + loops.observed)
                ]
                Z[i, k, z] = p
                R[i, :, k, z] = [
                    sum(loops.value(r, a | s | s2 | o) for r in loops.rewards) for s in before
                ]
    assert_allclose(model.T, T)
    assert_allclose(model.Z, Z)
    possible = (T[..., np.newaxis] > 0) & (Z[:, np.newaxis] > 0)
    assert_allclose(np.broadcast_to(model.R, shape)[possible], R[possible])
    if len(loops.observations + loops.observed) > 1:
        assert Z.any(axis=(0, 1)).all()
