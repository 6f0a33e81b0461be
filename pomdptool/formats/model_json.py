"""Model to JSON and back, bit for bit.

One object: `format` ("pomdptool/model"), `version` (1), `name`, `discount`, `values` ("reward" or
"cost"), `states`, `actions`, `observations` (lists of names; null for an MDP), `start` (S
probabilities), `T` (rows `[a, s, s', p]`), `O` (rows `[a, s', o, p]`; null for an MDP), and `R`:
`{"shape": [A or 1, S or 1, S or 1, Z or 1], "values": [...]}` with the last axis fastest, or, for
large models, `{"entries": [[a, s, s', v], ...]}` or `[a, s, s', o, v]`: one for every step that can
happen. Indices count from 0. The rewards of a cost model are written as costs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np

from pomdptool.errors import FormatError, ModelError
from pomdptool.formats.documents import read_document
from pomdptool.formats.limits import MAX_NAMES, MAX_ROWS
from pomdptool.model import Model, make_model
from pomdptool.rewards import TABLE_LIMIT, Rewards, reward_on_support, reward_table
from pomdptool.sparse import FloatArray, IntArray, SparseRows, from_entries
from pomdptool.steps import steps_of

FORMAT = "pomdptool/model"


def write_model_json(model: Model) -> str:
    """JSON text of a model."""
    sign = -1.0 if model.costs else 1.0
    document = {
        "format": FORMAT,
        "version": 1,
        "name": model.name,
        "discount": model.discount,
        "values": "cost" if model.costs else "reward",
        "states": model.states,
        "actions": model.actions,
        "observations": None if model.mdp else model.observations,
        "start": model.start.tolist(),
        "T": _rows(model.sparse_T, model.n_states),
        "O": None if model.mdp else _rows(model.sparse_Z, model.n_states),
        "R": _rewards(model, sign),
    }
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in document.items()]
    return "{" + ",\n ".join(lines) + "}\n"


def _rows(table: SparseRows, n_states: int) -> list[list[float]]:
    a, s = np.divmod(table.row_of_entry(), n_states)
    columns = (a.tolist(), s.tolist(), table.indices.tolist(), table.data.tolist())
    return [list(row) for row in zip(*columns, strict=True)]


def _rewards(model: Model, sign: float) -> dict[str, Any]:
    rewards = model.rewards
    values = (sign * rewards.stored + 0.0).ravel().tolist()
    if rewards.table is not None:
        return {"shape": list(rewards.table.shape), "values": values}
    indices = rewards.steps(model.sparse_T, model.sparse_Z).indices
    columns = [index.tolist() for index in indices[: 4 if rewards.by_observation else 3]]
    return {"entries": [list(row) for row in zip(*columns, values, strict=True)]}


# ---------------------------------------------------------------- reading


def read_model_json(text: str, file: str) -> Model:
    """Read a model.

    Raises
    ------
    FormatError
        If the text is not JSON, or not a model; it names the place, or the key.
    """
    reader = _Reader(file)
    document = read_document(text, file, FORMAT)
    try:
        return reader.model(document)
    except ModelError as error:
        raise reader.error(str(error)) from None


class _Reader:
    """Reads the parts of a document, naming the key of whatever is wrong."""

    def __init__(self, file: str) -> None:
        self.file = file

    def error(self, message: str) -> FormatError:
        return FormatError.at(self.file, 1, 1, "PT001", message)

    def model(self, document: dict[str, Any]) -> Model:
        states = self.names(document, "states")
        actions = self.names(document, "actions")
        if len(states) * len(actions) > MAX_ROWS:
            raise self.error(f"more than {MAX_ROWS} actions x states")
        mdp = document.get("observations") is None
        observations = None if mdp else self.names(document, "observations")
        S = len(states)
        T = self.rows(document, "T", (len(actions), S, S))
        Z = None if observations is None else self.rows(
            document, "O", (len(actions), S, len(observations))
        )  # fmt: skip
        values = document.get("values")
        if values not in ("reward", "cost"):
            raise self.error(f'"values" must be "reward" or "cost", not {values!r}')
        name = document.get("name", "")
        if not isinstance(name, str):
            raise self.error('"name" must be text')
        return make_model(
            T,
            Z,
            self.rewards(document, T, Z if Z else T, -1.0 if values == "cost" else 1.0),
            discount=float(self.numbers(document, "discount", 0)),
            start=self.numbers(document, "start", 1),
            states=states,
            actions=actions,
            observations=observations,
            costs=values == "cost",
            name=name,
        )

    def names(self, document: dict[str, Any], key: str) -> list[str]:
        names = document.get(key)
        if not isinstance(names, list) or not 0 < len(names) <= MAX_NAMES:
            raise self.error(f'"{key}" must be a list of 1 to {MAX_NAMES} names')
        wrong = [name for name in names if not isinstance(name, str)]
        if wrong:
            raise self.error(f'"{key}" holds {wrong[0]!r}, which is not text')
        return names

    def numbers(self, document: dict[str, Any], key: str, n_axes: int) -> FloatArray:
        return self.array(document.get(key), f'"{key}"', n_axes)

    def array(self, value: Any, what: str, n_axes: int) -> FloatArray:
        try:
            array = np.array(value)
        except ValueError:
            raise self.error(f"{what} must hold numbers, in rows of one length") from None
        if array.ndim != n_axes or not array.size:
            raise self.error(f"{what} must have {n_axes} axes, none of them empty")
        numbers = value
        for _ in range(n_axes - 1):
            numbers = chain.from_iterable(numbers)
        kinds = set(map(type, numbers if n_axes else [numbers]))
        if array.dtype.kind not in "iuf" or not kinds <= {int, float}:
            raise self.error(f"{what} must hold numbers, in rows of one length")
        array = array.astype(np.float64)
        if not np.isfinite(array).all():
            raise self.error(f"{what} holds a number that is missing or not finite")
        return array

    def indices(self, columns: Sequence[FloatArray], shape: tuple[int, ...], key: str) -> IntArray:
        """Stack the index columns into one key, checking each against its axis."""
        flat = np.zeros(len(columns[0]), dtype=np.int64)
        for column, n in zip(columns, shape, strict=True):
            bad = (column < 0) | (column >= n) | (column != np.floor(column))
            if bad.any():
                k = int(np.flatnonzero(bad)[0])
                raise self.error(f'"{key}"[{k}]: {column[k]:g} is not an index below {n}')
            flat = flat * n + column.astype(np.int64)
        return flat

    def rows(self, document: dict[str, Any], key: str, shape: tuple[int, int, int]) -> SparseRows:
        array = self.numbers(document, key, 2)
        if array.shape[1] != 4:
            raise self.error(f'"{key}" must hold rows of three indices and a probability')
        flat = self.indices(list(array.T[:3]), shape, key)
        if len(np.unique(flat)) < len(flat):
            raise self.error(f'"{key}" sets an entry twice')
        row, column = np.divmod(flat, shape[2])
        return from_entries(shape[0] * shape[1], shape[2], row, column, array[:, 3])

    def rewards(
        self, document: dict[str, Any], T: SparseRows, Z: SparseRows, sign: float
    ) -> Rewards:
        R = document.get("R")
        if isinstance(R, dict) and "shape" in R and "values" in R:
            return self.reward_table(R, T, Z, sign)
        if isinstance(R, dict) and "entries" in R:
            return self.reward_entries(R, T, Z, sign)
        raise self.error('"R" must hold "shape" and "values", or "entries"')

    def reward_table(self, R: dict[str, Any], T: SparseRows, Z: SparseRows, sign: float) -> Rewards:
        shape = R["shape"]
        full = (T.n_rows // T.n_columns, T.n_columns, T.n_columns, Z.n_columns)
        fits = isinstance(shape, list) and len(shape) == 4
        if not fits or any(
            type(n) is not int or n not in (1, m) for n, m in zip(shape, full, strict=True)
        ):
            raise self.error(f'"R"."shape" must be four numbers, each 1 or as in {list(full)}')
        values = self.array(R["values"], '"R"."values"', 1)
        if len(values) != math.prod(shape) or len(values) > TABLE_LIMIT:
            raise self.error(f'"R"."values" must hold {math.prod(shape)} numbers')
        return reward_table(sign * values.reshape(shape))

    def reward_entries(
        self, R: dict[str, Any], T: SparseRows, Z: SparseRows, sign: float
    ) -> Rewards:
        array = self.array(R["entries"], '"R"."entries"', 2)
        by_observation = array.shape[1] == 5
        S = T.n_columns
        shape = (T.n_rows // S, S, S, Z.n_columns)[: 4 if by_observation else 3]
        steps = steps_of(T, Z, by_observation=by_observation)
        expected = np.ravel_multi_index(steps.indices[: len(shape)], shape)
        if array.shape[1] != len(shape) + 1:
            raise self.error('"R"."entries" must hold rows of 4 or 5 numbers')
        flat = self.indices(list(array.T[:-1]), shape, "R")
        order = np.argsort(flat)
        if not np.array_equal(flat[order], np.sort(expected)):
            raise self.error('"R"."entries" must hold every step that T and O allow, once')
        values = np.empty(len(flat))
        values[np.argsort(expected, kind="stable")] = array[order, -1]
        return reward_on_support(sign * values, by_observation)
