"""Results of hmmlearn's CategoricalHMM for a small case.

Run `python tests/oracles/golden_hmmlearn.py` to write it.


Of three sequences and one start: parameters and log-likelihood after each of six iterations;
filter, smoother and Viterbi under the start. `test_hmmlearn.py` compares ours with it, so that it
needs no hmmlearn.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

FILE = Path(__file__).parents[1] / "golden" / "hmmlearn.json"
STATES, SYMBOLS, LENGTHS, ITERATIONS = 3, 5, [60, 1, 39], 6


def case() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Symbols, and a start: probabilities of the first state, of transitions, of symbols."""
    rng = np.random.default_rng(11)
    return (
        rng.integers(SYMBOLS, size=sum(LENGTHS)),
        rng.dirichlet(np.ones(STATES)),
        rng.dirichlet(np.ones(STATES), size=STATES),
        rng.dirichlet(np.ones(SYMBOLS), size=STATES),
    )


def results() -> dict[str, Any]:
    """Run hmmlearn."""
    import hmmlearn
    from hmmlearn import _hmmc
    from hmmlearn.hmm import CategoricalHMM

    symbols, start, transitions, emissions = case()
    column = symbols[:, np.newaxis]

    def model(iterations: int) -> Any:
        made = CategoricalHMM(
            STATES, n_iter=iterations, tol=-np.inf, implementation="scaling", init_params=""
        )
        made.startprob_, made.transmat_, made.emissionprob_ = start, transitions, emissions
        made.n_features = SYMBOLS
        return made

    fits = [model(n).fit(column, LENGTHS) for n in range(1, ITERATIONS + 1)]
    untouched = model(1)
    score, path = untouched.decode(column, LENGTHS)
    likelihood = emissions.T[symbols]
    bounds = np.cumsum([0, *LENGTHS])
    forward = [
        _hmmc.forward_scaling(start, transitions, likelihood[i:j])[1] for i, j in pairwise(bounds)
    ]
    return {
        "program": "hmmlearn CategoricalHMM, implementation scaling",
        "version": hmmlearn.__version__,
        "command": "python tests/oracles/golden_hmmlearn.py",
        "loglik": list(fits[-1].monitor_.history),
        "start": [fit.startprob_.tolist() for fit in fits],
        "transitions": [fit.transmat_.tolist() for fit in fits],
        "emissions": [fit.emissionprob_.tolist() for fit in fits],
        "filter": np.concatenate(forward).tolist(),
        "smoother": untouched.predict_proba(column, LENGTHS).tolist(),
        "viterbi": {"log_probability": score, "path": path.tolist()},
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(results(), indent=1) + "\n")
