"""Policies from JSON, which `policies` describes.

Vectors over all states are the value function as it is. Of vectors on faces the value of a belief
inside one of them is known, and with the model that of any belief; with a horizon these are the
vectors after the first step, so that the model is needed always.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pomdptool.distributions import SUM_TOLERANCE
from pomdptool.formats.json_documents import Place, read_document
from pomdptool.formats.policy.write import FORMAT
from pomdptool.formats.pomdp.read import BYTE_ORDER_MARK
from pomdptool.graph import NOWHERE, PolicyGraph
from pomdptool.linked import LinkedVectors
from pomdptool.lookahead import FaceVectors, LookAhead, on_faces
from pomdptool.model import Model
from pomdptool.policy import (
    AlphaVectors,
    Bounds,
    Problem,
    SolvedPolicy,
    ValueFunction,
    check_fits,
)
from pomdptool.sparse import FloatArray


def read_policy_json(text: str, file: str, model: Model | None = None) -> SolvedPolicy:
    """Read a policy from JSON.

    Raises
    ------
    FormatError
        If the text is not a policy; it names the place, or the key.
    PolicyError
        If it does not fit the model.
    """
    document = read_document(text.removeprefix(BYTE_ORDER_MARK), file, FORMAT)
    whole = Place(document, "", file)
    problem = _problem(whole["problem"])
    if model is not None:
        check_fits(problem, model)
        model = replace(model, discount=problem.discount)
    return _Reader(problem, model).policy(whole)


def _problem(place: Place) -> Problem:
    states = place["states"].names()
    start = place["start"].numbers(len(states))
    if start.min() < 0.0 or abs(float(start.sum()) - 1.0) > SUM_TOLERANCE:
        raise place["start"].wrong("must hold probabilities that sum to 1")
    discount = place["discount"].number()
    if not 0.0 <= discount <= 1.0:
        raise place["discount"].wrong("must lie between 0 and 1")
    return Problem(
        name=place["name"].text(),
        digest=place["digest"].text(),
        states=states,
        actions=place["actions"].names(),
        observations=place["observations"].names(),
        discount=discount,
        costs=place["values"].costs(),
        start=start,
        mdp=place.get("mdp") is not None and place["mdp"].flag(),
    )


def _count(place: Place) -> float:
    """A number, which stays whole where it is."""
    number = place.number()
    return int(number) if isinstance(place.value, int) else number


class _Reader:
    """Reads what belongs to a problem."""

    def __init__(self, problem: Problem, model: Model | None) -> None:
        self.problem, self.model = problem, model
        self.sign = -1.0 if problem.costs else 1.0

    def policy(self, place: Place) -> SolvedPolicy:
        horizon = None if place["horizon"].value is None else place["horizon"].count(1)
        graph, graph_value = self.graph(place["graph"])
        terminal, stages = place.get("terminal_values"), place.get("stages")
        ends = None if terminal is None else self.terminal(terminal)
        values = self.values(place["vectors"], horizon, place.get("floor"))
        if isinstance(values, LinkedVectors):
            graph, worth = values.graph(), place.get("graph_value")
            graph_value = None if worth is None else self.sign * worth.number()
        return SolvedPolicy(
            problem=self.problem,
            method=place["method"].text(),
            values=values,
            bounds=self.bounds(place["bounds"]),
            converged=place["converged"].flag(),
            stop_reason=place["stop_reason"].text(),
            horizon=horizon,
            graph=graph,
            stats={key: _count(x) for key, x in place["stats"].members().items()},
            graph_value=graph_value,
            stages=() if stages is None else self.stages(stages, ends),
            terminal=ends,
            trace=self.trace(place.get("trace")),
        )

    def trace(self, place: Place | None) -> tuple[tuple[float, float, float, int], ...]:
        """Seconds, bounds and vectors over time."""
        rows = []
        for row in () if place is None else place.items():
            entries = list(row.items())
            if len(entries) != 4:
                raise row.wrong("must hold seconds, two bounds and a count")
            ends = [self.sign * entry.number(infinite=True) for entry in entries[1:3]]
            rows.append((entries[0].number(), min(ends), max(ends), entries[3].count(0)))
        return tuple(rows)

    def bounds(self, place: Place) -> Bounds:
        ends = [self.sign * place[key].number(infinite=True) for key in ("lower", "upper")]
        low, high = ends if self.sign > 0.0 else ends[::-1]
        if low > high:
            raise place.wrong('must have "lower" below "upper"')
        return Bounds(low, high)

    def graph(self, place: Place) -> tuple[PolicyGraph | None, float | None]:
        """The graph and its value."""
        if place.value is None:
            return None, None
        n_actions, n_observations = len(self.problem.actions), len(self.problem.observations)
        nodes = list(place["nodes"].items())
        start, n_initial = self.start(place["start"], len(nodes))
        actions = [node["action"].index(n_actions) for node in nodes]
        table = []
        for node in nodes:
            links = list(node["next"].items())
            if len(links) != n_observations:
                raise node["next"].wrong(f"must hold {n_observations} nodes, one an observation")
            table.append([NOWHERE if m.value is None else m.index(len(nodes)) for m in links])
        graph = PolicyGraph(
            np.array(actions, np.int64), np.array(table, np.int64), start, n_initial=n_initial
        )
        value = place.get("value")
        if value is None or value.value is None:
            return graph, None
        return graph, self.sign * value.number()

    def start(self, place: Place, n_nodes: int) -> tuple[int, int]:
        """The node to begin in, or 0 and the number of initial nodes, one for each state."""
        if not isinstance(place.value, list):
            return place.index(n_nodes), 0
        n = len(self.problem.states)
        if place.value != list(range(n)) or n > n_nodes:
            raise place.wrong(f"must be a node, or the nodes 0 to {n - 1}, one for each state")
        return 0, n

    def terminal(self, place: Place) -> FloatArray:
        rows = [row.numbers(len(self.problem.states)) for row in place.items()]
        if not rows:
            raise place.wrong("must hold at least one vector")
        return self.sign * np.array(rows) + 0.0

    def values(self, place: Place, horizon: int | None, floor: Place | None) -> ValueFunction:
        """The value function of the policy."""
        if floor is not None:
            return self.linked(place, self.sign * floor.number())
        found = self.vectors(place)
        if isinstance(found, AlphaVectors):
            return found
        if self.model is not None:
            return LookAhead(self.model, found, found)
        return found if horizon is None else replace(found, after_step=True)

    def stages(self, place: Place, ends: FloatArray | None) -> tuple[ValueFunction, ...]:
        """Value functions with 1, 2, ... steps to go."""
        S = len(self.problem.states)
        before: ValueFunction = AlphaVectors(np.zeros(1, np.int64), np.zeros((1, S)))
        if ends is not None:
            before = AlphaVectors(np.zeros(len(ends), np.int64), ends)
        stages: list[ValueFunction] = []
        for k, stage in enumerate(place.items()):
            if stage["steps"].count(1) != k + 1:
                raise stage["steps"].wrong(f"must be {k + 1}: the stages are in order")
            found = self.vectors(stage["vectors"])
            if isinstance(found, AlphaVectors) or self.model is None:
                stages.append(found)
            else:
                stages.append(LookAhead(self.model, before, found))
            before = found
        return tuple(stages)

    def linked(self, place: Place, floor: float) -> LinkedVectors:
        """A list of vectors that are linked."""
        rows = list(place.items())
        if not rows:
            raise place.wrong("must hold at least one vector")
        blocks: dict[tuple[int, ...], int] = {}
        actions, table, block, values = [], [], [], []
        n_observations = len(self.problem.observations)
        for row in rows:
            states = row["states"].indices(len(self.problem.states))
            block.append(blocks.setdefault(states, len(blocks)))
            actions.append(row["action"].index(len(self.problem.actions)))
            values.append(self.sign * row["values"].numbers(len(states)) + 0.0)
            links = list(row["next"].items())
            if len(links) != n_observations:
                raise row["next"].wrong(f"must hold {n_observations} vectors, one an observation")
            table.append([NOWHERE if m.value is None else m.index(len(rows)) for m in links])
        return LinkedVectors(
            actions=np.array(actions, np.int64),
            next=np.array(table, np.int64),
            block=np.array(block, np.int64),
            states=tuple(np.array(states, np.int64) for states in blocks),
            values=tuple(values),
            floor=floor,
        )

    def vectors(self, place: Place) -> AlphaVectors | FaceVectors:
        """A list of vectors, all of them over all states or each on a face."""
        rows = list(place.items())
        if not rows:
            raise place.wrong("must hold at least one vector")
        faces: dict[tuple[int, ...] | None, tuple[list[int], list[FloatArray]]] = {}
        for row in rows:
            face = row.get("states")
            states = None if face is None else face.indices(len(self.problem.states))
            actions, values = faces.setdefault(states, ([], []))
            actions.append(row["action"].index(len(self.problem.actions)))
            size = len(self.problem.states if states is None else states)
            values.append(row["values"].numbers(size))
        if None in faces and len(faces) > 1:
            raise place.wrong('must have "states" in every vector, or in none')
        sets = [
            (AlphaVectors(np.array(actions, np.int64), self.sign * np.array(values) + 0.0), states)
            for states, (actions, values) in faces.items()
        ]
        if None in faces:
            return sets[0][0]
        on = [(vectors, np.array(states, np.int64)) for vectors, states in sets]
        return on_faces(on, len(self.problem.states))
