"""Models as JSON; every float reads back bit for bit.

One object: `format` ("pomdptool/model"), `version` (1), `name`, `discount`, `values` ("reward" or
"cost"), `states`, `actions`, `observations` (lists of names; null for an MDP), `start` (S
probabilities), `T` (rows `[a, s, s', p]`), `O` (rows `[a, s', o, p]`; null for an MDP), and `R`:
`{"shape": [A or 1, S or 1, S or 1, Z or 1], "values": [...]}` with the last axis fastest, or, for
large models, `{"entries": [[a, s, s', v], ...]}` or `[a, s, s', o, v]`: one for every transition of
positive probability. Indices start at 0. The rewards of a cost model are written as costs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pomdptool.errors import FormatError, ModelError
from pomdptool.formats.json_documents import JsonValue, read_document
from pomdptool.formats.limits import MAX_ROWS
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
    """Read a model; FormatError for invalid JSON (with position) or an invalid model (with key)."""
    try:
        return _model(JsonValue(read_document(text, file, FORMAT), "", file))
    except ModelError as error:
        raise FormatError.at(file, 1, 1, "PT001", str(error)) from None


def _model(root: JsonValue) -> Model:
    states, actions = root["states"].names(), root["actions"].names()
    S, A = len(states), len(actions)
    if S * A > MAX_ROWS:
        raise root.error(f"has more than {MAX_ROWS} actions x states")
    T = _read_rows(root["T"], (A, S, S))
    declared = root.get("observations")
    observations, Z = None, None
    if declared is not None and declared.value is not None:
        observations = declared.names()
        Z = _read_rows(root["O"], (A, S, len(observations)))
    costs, name = root["values"].costs(), root.get("name")
    return make_model(
        T,
        Z,
        _read_rewards(root["R"], T, Z or T, -1.0 if costs else 1.0),
        discount=root["discount"].number(),
        start=root["start"].numbers(),
        states=states,
        actions=actions,
        observations=observations,
        costs=costs,
        name="" if name is None else name.text(),
    )


def _flat_index(part: JsonValue, rows: FloatArray, shape: Sequence[int]) -> IntArray:
    """Flat index of the checked indices in the first columns of `rows`."""
    key = np.zeros(len(rows), dtype=np.int64)
    for column, n in zip(rows.T, shape, strict=False):
        bad = (column < 0) | (column >= n) | (column != np.floor(column))
        if bad.any():
            k = int(np.flatnonzero(bad)[0])
            message = f"holds {column[k]:g}, which is not an index below {n}"
            raise replace(part, path=f"{part.path}[{k}]").error(message)
        key = key * n + column.astype(np.int64)
    return key


def _read_rows(part: JsonValue, shape: tuple[int, int, int]) -> SparseRows:
    rows = part.rows()
    if rows.shape[1] != 4:
        raise part.error("must hold rows of three indices and a probability")
    key = _flat_index(part, rows, shape)
    if len(np.unique(key)) < len(key):
        raise part.error("sets an entry twice")
    row, column = np.divmod(key, shape[2])
    return from_entries(shape[0] * shape[1], shape[2], row, column, rows[:, 3])


def _read_rewards(part: JsonValue, T: SparseRows, Z: SparseRows, sign: float) -> Rewards:
    keys = part.value if isinstance(part.value, dict) else {}
    if "shape" in keys and "values" in keys:
        return _reward_table(part, T, Z, sign)
    if "entries" in keys:
        return _reward_entries(part["entries"], T, Z, sign)
    raise part.error('must hold "shape" and "values", or "entries"')


def _reward_table(part: JsonValue, T: SparseRows, Z: SparseRows, sign: float) -> Rewards:
    shape: Any = part["shape"].value
    full = (T.n_rows // T.n_columns, T.n_columns, T.n_columns, Z.n_columns)
    fits = isinstance(shape, list) and len(shape) == 4
    if not fits or any(
        type(n) is not int or n not in (1, m) for n, m in zip(shape, full, strict=True)
    ):
        raise part["shape"].error(f"must be four numbers, each 1 or as in {list(full)}")
    if math.prod(shape) > TABLE_LIMIT:
        raise part["shape"].error(f"must be that of at most {TABLE_LIMIT} numbers")
    return reward_table(sign * part["values"].numbers(math.prod(shape)).reshape(shape))


def _reward_entries(part: JsonValue, T: SparseRows, Z: SparseRows, sign: float) -> Rewards:
    rows = part.rows()
    by_observation = rows.shape[1] == 5
    S = T.n_columns
    shape = (T.n_rows // S, S, S, Z.n_columns)[: 4 if by_observation else 3]
    steps = steps_of(T, Z, by_observation=by_observation)
    expected = np.ravel_multi_index(steps.indices[: len(shape)], shape)
    if rows.shape[1] != len(shape) + 1:
        raise part.error("must hold rows of 4 or 5 numbers")
    key = _flat_index(part, rows, shape)
    order = np.argsort(key)
    if not np.array_equal(key[order], np.sort(expected)):
        raise part.error("must hold every transition that T and O allow, once")
    values = np.empty(len(key))
    values[np.argsort(expected, kind="stable")] = rows[order, -1]
    return reward_on_support(sign * values, by_observation)
