"""Read policies: JSON, the .alpha format and APPL's .policy."""

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
from pomdptool.formats.policy.write import FORMAT, POLICY_KINDS
from pomdptool.formats.pomdp.read import BYTE_ORDER_MARK
from pomdptool.formats.strict_json import read_json
from pomdptool.formats.text_input import read_source
from pomdptool.model import Model
from pomdptool.policy import AlphaVectors, Bounds, SolvedPolicy, check_names, problem_of
from pomdptool.sparse import FloatArray


def load_policy(
    source: str | Path | IO[str] | IO[bytes], model: Model | None = None
) -> SolvedPolicy:
    """Read a policy from a path (`.json`, `.alpha`, `.policy`, each also `.gz`) or an open file.

    Parameters
    ----------
    model
        The model that was solved; checked against the policy. Required for .alpha and .policy
        files, and for the value of beliefs outside the faces of JSON vectors.

    Raises
    ------
    FormatError
        If the file is not a policy.
    PolicyError
        If the policy does not fit the model, or needs one.
    OSError
        If the file cannot be read.
    """
    return read_policy(*read_source(source), model)


def read_policy(text: str, file: str, model: Model | None = None) -> SolvedPolicy:
    """Read a policy from text; otherwise as `load_policy`."""
    if _is_json(text, file):
        return read_policy_json(text, file, model)
    if model is None:
        raise PolicyError(f"{file}: this format does not name its states: the model is required")
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
    """Read the alpha vectors of a policy over all states of a model, shape (n, S), in rewards.

    The policy may be for another model with the same states.

    Raises
    ------
    FormatError
        If the file is not a policy.
    PolicyError
        If its states differ, or its vectors cover only some of them.
    OSError
        If the file cannot be read.
    """
    text, file = read_source(source)
    if not _is_json(text, file):
        return read_alpha(text, file, model.n_states, model.n_actions).values
    policy = read_policy_json(text, file)
    if not isinstance(policy.values, AlphaVectors):
        raise PolicyError(f"{file}: each vector covers only some states: solve with --full-simplex")
    check_names(policy.problem, model, "states")
    return policy.values.values


def is_policy(text: str) -> bool:
    """Whether a text is a policy in JSON."""
    if kind_of_text(text) != "json" or FORMAT not in text:
        return False
    try:
        document = read_json(text.removeprefix(BYTE_ORDER_MARK), "<text>")
    except FormatError:  # whoever reads the text reports it
        return False
    return isinstance(document, dict) and document.get("format") == FORMAT


def _is_json(text: str, file: str) -> bool:
    """Whether the text is JSON by its first character or the extension of the file.

    Raises
    ------
    FormatError
        If the text is a model.
    PolicyError
        If the format has no values.
    """
    text_kind = kind_of_text(text)
    if is_model(text):
        raise FormatError.at(file, 1, 1, "PT001", "this is a model, not a policy")
    kind = kind_of_path(file, POLICY_KINDS)
    if kind in ("pg", "dot"):
        raise PolicyError(f"{file}: a policy with values is read from .json or .alpha")
    return text_kind == "json" or (kind == "json" and text_kind is None)
