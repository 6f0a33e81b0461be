"""Information criteria of a model with p free parameters and log-likelihood l; lower is better.

BIC = p log n - 2 l   (Schwarz 1978),    AIC = 2 p - 2 l   (Akaike 1974)
"""

from __future__ import annotations

import numpy as np


def bic(parameters: int, loglik: float, n: int) -> float:
    """Bayesian information criterion, with n steps that contribute to the likelihood."""
    return parameters * float(np.log(max(1, n))) - 2.0 * loglik


def aic(parameters: int, loglik: float) -> float:
    """Akaike information criterion."""
    return 2.0 * parameters - 2.0 * loglik
