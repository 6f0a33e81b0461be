"""Inner products, compiled and interpreted."""

from __future__ import annotations

import numpy as np
import pytest

from pomdptool.kernels import jit
from pomdptool.kernels.sarsop.policy_evaluation import dot


def test_inner_products_agree_compiled_and_interpreted() -> None:
    options = {k: v for k, v in dot.targetoptions.items() if not k.startswith("no_")}
    compiled = jit._numba().njit(**options)(dot.py_func)
    x = np.random.default_rng(1).normal(size=1000)
    for n in (1, 2, 3, 4, 7, 60, 255):
        plain = dot.py_func(x, 3, 400, n)
        assert plain == pytest.approx(x[3 : 3 + n] @ x[400 : 400 + n], abs=1e-12)
        assert compiled(x, 3, 400, n) == plain
