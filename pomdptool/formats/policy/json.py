"""Read policies in JSON (see `write` for the format).

Vectors over all states are the value function. Vectors on faces give the value of beliefs on these
faces only; other beliefs need the model. With a finite horizon they are the vectors after the first
step, so that every belief needs the model.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pomdptool.distributions import SUM_TOLERANCE
from pomdptool.formats.json_documents import JsonValue, lists_of_numbers, read_document
from pomdptool.formats.policy.write import FORMAT, graph_document
from pomdptool.formats.pomdp.read import BYTE_ORDER_MARK
from pomdptool.graph import PolicyGraph
from pomdptool.linked import LinkedVectors
from pomdptool.lookahead import FaceVectors, LookAhead, on_faces
from pomdptool.model import Model
from pomdptool.policy import AlphaVectors, Bounds, Problem, SolvedPolicy, ValueFunction, check_fits
from pomdptool.sparse import FloatArray


def read_policy_json(text: str, file: str, model: Model | None = None) -> SolvedPolicy:
    """Read a policy from JSON.

    Raises
    ------
    FormatError
        If the text is not a policy; with the place or key.
    PolicyError
        If it does not fit the model.
    """
    document = read_document(text.removeprefix(BYTE_ORDER_MARK), file, FORMAT)
    whole = JsonValue(document, "", file)
    problem = _problem(whole["problem"])
    if model is not None:
        check_fits(problem, model)
        model = replace(model, discount=problem.discount)
    return _Reader(problem, model).policy(whole)


def _problem(place: JsonValue) -> Problem:
    states = place["states"].names()
    start = place["start"].numbers(len(states))
    most = 1.0 + SUM_TOLERANCE
    if start.min() < 0.0 or start.max() > most or abs(float(start.sum()) - 1.0) > SUM_TOLERANCE:
        raise place["start"].error("must hold probabilities that sum to 1")
    discount = place["discount"].number()
    if not 0.0 <= discount <= 1.0:
        raise place["discount"].error("must lie between 0 and 1")
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


def _count(place: JsonValue) -> float:
    """A number; integers stay integers."""
    number = place.number()
    return int(number) if isinstance(place.value, int) else number


class _Reader:
    """Reads the parts of a policy."""

    def __init__(self, problem: Problem, model: Model | None) -> None:
        self.problem, self.model = problem, model
        self.sign = -1.0 if problem.costs else 1.0

    def policy(self, place: JsonValue) -> SolvedPolicy:
        horizon = None if place["horizon"].value is None else place["horizon"].count(1)
        stages, terminal_values = place.get("stages"), place.get("terminal_values")
        terminal = None if terminal_values is None else self.terminal(terminal_values)
        values = self.values(place["vectors"], horizon, place.get("floor"))
        graph, graph_value = self.graph(place, values)
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
            stages=() if stages is None else self.stages(stages, terminal),
            terminal=terminal,
            trace=self.trace(place.get("trace")),
        )

    def trace(self, place: JsonValue | None) -> tuple[tuple[float, float, float, int], ...]:
        """Seconds, bounds and number of vectors over time."""
        rows = []
        for row in () if place is None else place.items():
            entries = list(row.items())
            if len(entries) != 4:
                raise row.error("must hold seconds, two bounds and a count")
            bounds = [self.sign * entry.number(infinite=True) for entry in entries[1:3]]
            rows.append((entries[0].number(), min(bounds), max(bounds), entries[3].count(0)))
        return tuple(rows)

    def bounds(self, place: JsonValue) -> Bounds:
        bounds = [self.sign * place[key].number(infinite=True) for key in ("lower", "upper")]
        low, high = bounds if self.sign > 0.0 else bounds[::-1]
        if low > high:
            raise place.error('must have "lower" below "upper"')
        return Bounds(low, high)

    def graph(
        self, place: JsonValue, values: ValueFunction
    ) -> tuple[PolicyGraph | None, float | None]:
        """The graph and its value."""
        if isinstance(values, LinkedVectors):
            return self.controller(values, place)
        place = place["graph"]
        if place.value is None:
            return None, None
        n_actions, n_observations = len(self.problem.actions), len(self.problem.observations)
        nodes = list(place["nodes"].items())
        start, n_initial = self.start(place["start"], len(nodes))
        actions = [node["action"].index(n_actions) for node in nodes]
        table = [node["next"].links(len(nodes), n_observations, "nodes") for node in nodes]
        graph = PolicyGraph(
            np.array(actions, np.int64), np.array(table, np.int64), start, n_initial=n_initial
        )
        value = place.get("value")
        if value is None or value.value is None:
            return graph, None
        return graph, self.sign * value.number()

    def controller(
        self, values: LinkedVectors, place: JsonValue
    ) -> tuple[PolicyGraph, float | None]:
        """The graph that linked vectors form, and its value; older files hold only the value."""
        graph, stored, value = values.graph(), place["graph"], place.get("graph_value")
        if stored.value is not None:
            for key, expected in graph_document(graph).items():
                if stored[key].value != expected:
                    raise stored[key].error('must agree with "next" of the vectors')
        return graph, None if value is None else self.sign * value.number()

    def start(self, place: JsonValue, n_nodes: int) -> tuple[int, int]:
        """The initial node, or 0 and the number of initial nodes, one for each state."""
        if not isinstance(place.value, list):
            return place.index(n_nodes), 0
        n = len(self.problem.states)
        if place.value != list(range(n)) or n > n_nodes:
            raise place.error(f"must be a node, or the nodes 0 to {n - 1}, one for each state")
        return 0, n

    def terminal(self, place: JsonValue) -> FloatArray:
        rows = [row.numbers(len(self.problem.states)) for row in place.items()]
        if not rows:
            raise place.error("must hold at least one vector")
        return self.sign * np.array(rows) + 0.0

    def values(
        self, place: JsonValue, horizon: int | None, floor: JsonValue | None
    ) -> ValueFunction:
        """The value function of the policy."""
        if floor is not None:
            return self.linked(place, self.sign * floor.number())
        vectors = self.vectors(place)
        if isinstance(vectors, AlphaVectors):
            return vectors
        if self.model is not None:
            return LookAhead(self.model, vectors, vectors)
        return vectors if horizon is None else replace(vectors, after_step=True)

    def stages(self, place: JsonValue, terminal: FloatArray | None) -> tuple[ValueFunction, ...]:
        """Value functions with 1, 2, ... steps to go."""
        S = len(self.problem.states)
        before: ValueFunction = AlphaVectors(np.zeros(1, np.int64), np.zeros((1, S)))
        if terminal is not None:
            before = AlphaVectors(np.zeros(len(terminal), np.int64), terminal)
        stages: list[ValueFunction] = []
        for k, stage in enumerate(place.items()):
            if stage["steps"].count(1) != k + 1:
                raise stage["steps"].error(f"must be {k + 1}: the stages are in order")
            vectors = self.vectors(stage["vectors"])
            if isinstance(vectors, AlphaVectors) or self.model is None:
                stages.append(vectors)
            else:
                stages.append(LookAhead(self.model, before, vectors))
            before = vectors
        return tuple(stages)

    def linked(self, place: JsonValue, floor: float) -> LinkedVectors:
        """Linked vectors."""
        rows = list(place.items())
        if not rows:
            raise place.error("must hold at least one vector")
        blocks: dict[tuple[int, ...], int] = {}
        actions, table, block, places = [], [], [], []
        n_observations = len(self.problem.observations)
        for row in rows:
            states = row["states"].indices(len(self.problem.states))
            block.append(blocks.setdefault(states, len(blocks)))
            actions.append(row["action"].index(len(self.problem.actions)))
            places.append(row["values"])
            table.append(row["next"].links(len(rows), n_observations, "vectors"))
        sizes = list(map(len, blocks))
        values = lists_of_numbers(places, [sizes[k] for k in block])
        return LinkedVectors(
            actions=np.array(actions, np.int64),
            next=np.array(table, np.int64),
            block=np.array(block, np.int64),
            states=tuple(np.array(states, np.int64) for states in blocks),
            values=tuple(self.sign * vector + 0.0 for vector in values),
            floor=floor,
        )

    def vectors(self, place: JsonValue) -> AlphaVectors | FaceVectors:
        """Vectors, all of them over all states or each on a face."""
        rows = list(place.items())
        if not rows:
            raise place.error("must hold at least one vector")
        faces: dict[tuple[int, ...] | None, tuple[list[int], list[FloatArray]]] = {}
        for row in rows:
            face = row.get("states")
            states = None if face is None else face.indices(len(self.problem.states))
            actions, values = faces.setdefault(states, ([], []))
            actions.append(row["action"].index(len(self.problem.actions)))
            size = len(self.problem.states if states is None else states)
            values.append(row["values"].numbers(size))
        if None in faces and len(faces) > 1:
            raise place.error('must have "states" in every vector, or in none')
        sets = [
            (AlphaVectors(np.array(actions, np.int64), self.sign * np.array(values) + 0.0), states)
            for states, (actions, values) in faces.items()
        ]
        if None in faces:
            return sets[0][0]
        on = [(vectors, np.array(states, np.int64)) for vectors, states in sets]
        return on_faces(on, len(self.problem.states))
