"""Policies from files: our JSON (see `policy_json`), the .alpha form and APPL's."""

from __future__ import annotations

from pathlib import Path
from typing import IO

import numpy as np

from pomdptool.errors import FormatError, PolicyError
from pomdptool.formats.kinds import kind_of_path
from pomdptool.formats.models import is_model, kind_of_text
from pomdptool.formats.policy.alpha import read_alpha
from pomdptool.formats.policy.appl import read_appl
from pomdptool.formats.policy.json import read_policy_json
from pomdptool.formats.policy.write import POLICY_KINDS
from pomdptool.formats.pomdp.read import BYTE_ORDER_MARK
from pomdptool.formats.text_input import read_source
from pomdptool.model import Model
from pomdptool.policy import (
    AlphaVectors,
    Bounds,
    SolvedPolicy,
    check_names,
    problem_of,
)
from pomdptool.sparse import FloatArray


def load_policy(
    source: str | Path | IO[str] | IO[bytes], model: Model | None = None
) -> SolvedPolicy:
    """Read a policy from a path (`.json`, `.alpha`, `.policy`, each also `.gz`) or an open file.

    Parameters
    ----------
    model
        The model that the policy must have been made for. An .alpha and an APPL file need it;
        JSON with vectors on faces needs it for the value of beliefs over other states.

    Raises
    ------
    FormatError
        If the file is not a policy.
    PolicyError
        If it does not fit the model, or needs one.
    OSError
        If it cannot be read.
    """
    return read_policy(*read_source(source), model)


def read_policy(text: str, file: str, model: Model | None = None) -> SolvedPolicy:
    """Read a policy from text; the rest as `load_policy`."""
    if _is_json(text, file):
        return read_policy_json(text, file, model)
    if model is None:
        raise PolicyError(f"{file}: such a file does not name its problem: give the model")
    appl = text.lstrip(BYTE_ORDER_MARK + " \t\r\n").startswith("<")
    read = read_appl if appl else read_alpha
    values = read(text, file, model.n_states, model.n_actions)
    return SolvedPolicy(
        problem=problem_of(model),
        method="appl" if appl else "alpha",
        values=values,
        bounds=Bounds(-np.inf, np.inf),
        converged=False,
        stop_reason="unknown",
        stats={"vectors": len(values.actions)},
    )


def load_vectors(source: str | Path | IO[str] | IO[bytes], model: Model) -> FloatArray:
    """Read vectors over all states of a model, shape (n, S), in rewards, from a policy.

    The policy may be of another model with the same states.

    Raises
    ------
    FormatError
        If the file is not a policy.
    PolicyError
        If its states are others, or its vectors cover only some of them.
    OSError
        If it cannot be read.
    """
    text, file = read_source(source)
    if not _is_json(text, file):
        return read_alpha(text, file, model.n_states, model.n_actions).values
    policy = read_policy_json(text, file)
    if not isinstance(policy.values, AlphaVectors):
        raise PolicyError(
            f"{file}: its vectors cover only some of the states each: solve for the full set"
        )
    check_names(policy.problem, model, "states")
    return policy.values.values


def _is_json(text: str, file: str) -> bool:
    """Whether the text is JSON: it begins so, or the file is named so.

    Raises
    ------
    FormatError
        If the text is a model.
    PolicyError
        If the file is named as a form without values.
    """
    begun = kind_of_text(text)
    if is_model(text):
        raise FormatError.at(file, 1, 1, "PT001", "this is a model, not a policy")
    kind = kind_of_path(file, POLICY_KINDS)
    if kind in ("pg", "dot"):
        raise PolicyError(f"{file}: a policy with values is read from .json or .alpha")
    return begun == "json" or (kind == "json" and begun is None)
