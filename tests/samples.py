"""What several tests draw from: sample files, and Hypothesis strategies for models and texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

import naive
from pomdptool.formats.models import read_model
from pomdptool.model import Model, make_model

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"


def problem_files() -> list[Path]:
    """Every sample model: ours, and those of the shared folder where it exists."""
    return sorted((ROOT / "problems").glob("*.pomdp")) + sorted((SHARED / "problems").glob("*"))


def name_of(path: Path) -> str:
    """Name of a sample in a test's id."""
    return f"{path.parent.parent.name}-{path.name}"


def read_clean(text: str) -> Model:
    """Read a .pomdp text that must give neither an error nor a warning."""
    model, findings = read_model(text, "f", kind="pomdp")
    assert not findings, findings
    assert model is not None
    return model


# ---------------------------------------------------------------- models

AWKWARD = [0.0, 1.0, 1 / 3, 0.1 * 3, 0.1, 2 / 3, 1e-300, 5e-324, 2.2250738585072e-308, 0.7]
REWARDS = [*AWKWARD, -1.0, -1 / 3, 10.0, -100.0, 1e300, -1.5e307, 123456789.123]


@st.composite
def rows(draw: st.DrawFn, n_rows: int, n_columns: int) -> list[list[float]]:
    """Rows of probabilities, some sparse, some dense, with awkward floats."""
    result: list[list[float]] = []
    for _ in range(n_rows):
        kind = draw(st.sampled_from(["point", "uniform", "free", "free", "copy"]))
        if kind == "copy" and result:
            result.append(result[-1])
            continue
        weights = [1.0] * n_columns
        if kind == "free":
            weights = draw(
                st.lists(st.sampled_from(AWKWARD), min_size=n_columns, max_size=n_columns)
            )
        if kind == "point" or sum(weights) < 1e-9:
            weights = [0.0] * n_columns
            weights[draw(st.integers(0, n_columns - 1))] = 1.0
        total = sum(weights)
        result.append([w / total for w in weights])
    return result


@st.composite
def small_models(draw: st.DrawFn, names: Callable[[int], st.SearchStrategy[Any]]) -> Model:
    """Models of a few states, with rewards over any combination of the axes."""
    A, S, Z = (draw(st.integers(1, n)) for n in (3, 4, 3))
    mdp = draw(st.booleans())
    T = np.array(draw(rows(A * S, S))).reshape(A, S, S)
    O = None if mdp else np.array(draw(rows(A * S, Z))).reshape(A, S, Z)  # noqa: E741
    full = (A, S, S, 1 if mdp else Z)
    shape = tuple(n if draw(st.booleans()) else 1 for n in full)
    n = int(np.prod(shape))
    R = draw(st.lists(st.sampled_from(REWARDS), min_size=n, max_size=n))
    return make_model(
        T,
        O,
        np.array(R).reshape(shape),
        discount=draw(st.sampled_from([0.0, 1.0, 0.95, 1 / 3, 5e-324])),
        start=draw(rows(1, S))[0],
        states=draw(names(S)),
        actions=draw(names(A)),
        observations=None if mdp else draw(names(Z)),
        costs=draw(st.booleans()),
    )


@st.composite
def wide_models(draw: st.DrawFn) -> Model:
    """Models of 13 to 30 states, which are written entry by entry."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    A, S, Z = draw(st.integers(1, 3)), draw(st.integers(13, 30)), draw(st.integers(1, 40))
    T = np.array([_random_rows(rng, S, S) for _ in range(A)])
    O = np.array([_random_rows(rng, S, Z) for _ in range(A)])  # noqa: E741
    if draw(st.booleans()):
        same = rng.random(S) < 0.7
        T[:, same], O[:, same] = T[0, same], O[0, same]
    if draw(st.booleans()):
        T[0] = np.eye(S)
    if draw(st.booleans()):
        O[:, :] = O[:, :1]
    shape = tuple(n if rng.random() < 0.6 else 1 for n in (A, S, S, Z))
    R = rng.choice(
        REWARDS, size=shape, p=np.array([20] + [1] * (len(REWARDS) - 1)) / (len(REWARDS) + 19)
    )
    return make_model(T, O, R, discount=0.9, costs=bool(rng.random() < 0.5))


def _random_rows(rng: np.random.Generator, n_rows: int, n_columns: int) -> np.ndarray:
    weights = rng.random((n_rows, n_columns)) * (rng.random((n_rows, n_columns)) < rng.random())
    weights[rng.random(n_rows) < 0.2] = 1.0
    weights[np.arange(n_rows), rng.integers(n_columns, size=n_rows)] += 0.1
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def counted(n: int) -> st.SearchStrategy[None]:
    """No names: the model counts."""
    return st.none()


def valid_names(n: int) -> st.SearchStrategy[list[str]]:
    """Names that the format allows, some of them nearly reserved."""
    tricky = st.sampled_from(
        ["a", "A", "goals", "Tx", "O-", "R_1", "starts", "e5", "E-3", "resets"]
    )
    plain = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,8}", fullmatch=True)
    allowed = (tricky | plain).filter(lambda name: name not in RESERVED)
    return st.lists(allowed, min_size=n, max_size=n, unique=True)


def any_names(n: int) -> st.SearchStrategy[list[str]]:
    """Names of which the format allows few."""
    odd = st.sampled_from(
        ["", "0", "1", "T", "reset", "a b", "a:b", "#", "s_0", "é", "s__", "*", "-"]
    )
    return st.lists(odd | st.text(max_size=4), min_size=n, max_size=n, unique=True)


RESERVED = [
    *("discount", "values", "states", "actions", "observations", "T", "O", "R", "uniform"),
    *("identity", "reward", "cost", "start", "include", "exclude", "reset"),
]

# ---------------------------------------------------------------- statements and their text

EIGHTHS = [k / 8 for k in range(9)]
SMALL_REWARDS = [0.0, *map(float, range(-9, 10))]


@st.composite
def assignments(draw: st.DrawFn, sizes: naive.Sizes, tables: str) -> naive.Assignment:
    """One statement of some of T, O and R in any form, its wildcards anywhere."""
    table = draw(st.sampled_from(tables))
    shape = sizes.shape(table)
    if table == "R":
        n_refs = draw(st.integers(2 if sizes.observations else 1, len(shape)))
    else:
        n_refs = draw(st.integers(1, 3))
    refs = tuple(draw(st.sampled_from([None, *range(n)])) for n in shape[:n_refs])
    keywords = {"T1": ["uniform", "identity"], "T2": ["uniform", "reset"], "O1": ["uniform"]}
    keywords["O2"] = ["uniform"]
    keyword = draw(st.sampled_from(["", *keywords.get(f"{table}{n_refs}", [])]))
    if keyword:
        return naive.Assignment(table, refs, keyword=keyword)
    numbers = st.sampled_from(SMALL_REWARDS if table == "R" else EIGHTHS)
    n = int(np.prod(shape[n_refs:], dtype=int))
    return naive.Assignment(table, refs, tuple(draw(st.lists(numbers, min_size=n, max_size=n))))


@st.composite
def programs(
    draw: st.DrawFn,
) -> tuple[naive.Sizes, list[float], list[naive.Assignment]]:
    """Sizes, a start belief, and statements after which every row sums to 1."""
    sizes = naive.Sizes(*(draw(st.integers(low, 3)) for low in (1, 1, 0)))
    start = [0.0] * sizes.states
    start[draw(st.integers(0, sizes.states - 1))] += 0.25
    start[draw(st.integers(0, sizes.states - 1))] += 0.75
    statements = draw(st.lists(assignments(sizes, sizes.tables), max_size=12))
    dense = naive.tables(sizes, start, statements)
    repairs = [
        repair
        for table in sizes.tables.replace("R", "")
        for a in range(sizes.actions)
        for s in range(sizes.states)
        for repair in _repairs(table, (a, s), dense[table][a, s].tolist())
    ]
    rewards = draw(st.lists(assignments(sizes, "R"), min_size=1, max_size=4))
    return sizes, start, [*statements, *draw(st.permutations(repairs)), *rewards]


def _repairs(table: str, row: tuple[int, int], values: list[float]) -> list[naive.Assignment]:
    """What makes a row sum to 1: one entry where one is enough, else the whole row."""
    if abs(sum(values) - 1) < 1e-9:
        return []
    for column, value in enumerate(values):
        others = sum(values) - value
        if others <= 1:
            return [naive.Assignment(table, (*row, column), (1 - others,))]
    return [naive.Assignment(table, row, (1.0,) + (0.0,) * (len(values) - 1))]


def names_of(sizes: naive.Sizes) -> dict[str, list[str]]:
    """Names of states, actions and observations."""
    return {
        "states": [f"s{i}" for i in range(sizes.states)],
        "actions": [f"a{i}" for i in range(sizes.actions)],
        "observations": [f"o{i}" for i in range(sizes.observations)],
    }


def file_text(
    sizes: naive.Sizes,
    start: Sequence[float],
    statements: Sequence[naive.Assignment],
    *,
    indices: bool = False,
    between: Sequence[str] = ("\n",),
) -> str:
    """Text of a whole file; what stands between statements is taken from `between` in turn."""
    names = names_of(sizes)
    head = ["discount: 0.5 values: reward"]
    head += [f"{key}: {' '.join(value)}" for key, value in names.items() if value]
    head.append("start: " + (" ".join(map(repr, start)) if len(start) > 1 else "1.0"))
    text = "\n".join(head) + "\n"
    for k, statement in enumerate(statements):
        text += statement_text(statement, names, indices=indices) + between[k % len(between)]
    return text


def statement_text(
    statement: naive.Assignment, names: dict[str, list[str]], *, indices: bool
) -> str:
    """Text of one statement, with names or with indices."""
    last = "observations" if statement.table != "T" else "states"
    axes = ["actions", "states", "states", "observations"]
    if statement.table != "R":
        axes = ["actions", "states", last]
    refs = [
        "*" if ref is None else str(ref) if indices else names[axis][ref]
        for ref, axis in zip(statement.refs, axes, strict=False)
    ]
    value = statement.keyword or " ".join(map(repr, statement.values))
    return f"{statement.table}: {' : '.join(refs)} {value}"
