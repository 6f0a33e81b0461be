"""Initialisation: context features and k-means."""

from __future__ import annotations

import numpy as np

from episode_data import episodes_of, random_steps
from pomdptool.episodes import NONE
from pomdptool.learning import initialisation


def test_context_features() -> None:
    rng = np.random.default_rng(0)
    data = episodes_of([random_steps(rng, n) for n in (9, 1, 20)])
    chosen = np.arange(3, 25)
    happened = ((data.actions, 2), (data.observations, 2))
    result = initialisation._context_features(data, chosen, happened, 0.5).toarray()
    plain = np.zeros((len(chosen), 8))
    for row, t in enumerate(chosen):
        for u in range(data.n_steps):
            lag = u - t
            together = np.searchsorted(data.first, np.array([t, u]), "right")
            if abs(lag) > initialisation.CONTEXT or together[0] != together[1]:
                continue
            weight, side = 0.5 ** (abs(lag) - (lag > 0)), 4 * (lag > 0)
            plain[row, side + data.actions[u]] += weight
            if data.observations[u] != NONE:
                plain[row, side + 2 + data.observations[u]] += weight
    np.testing.assert_allclose(result, plain[:, plain.any(axis=0)], rtol=1e-12)


def test_k_means_converges_to_means() -> None:
    from scipy.sparse import csr_matrix

    rng = np.random.default_rng(2)
    centres = rng.normal(size=(4, 6)) * 10.0
    points = centres[np.arange(200) % 4] + rng.normal(size=(200, 6))
    label = initialisation._k_means(csr_matrix(points), 4, np.random.default_rng(0), lambda: None)
    means = np.array([points[label == c].mean(axis=0) for c in range(4)])
    nearest = ((points[:, np.newaxis] - means) ** 2).sum(axis=2).argmin(axis=1)
    assert np.array_equal(label, nearest)
    same = initialisation._k_means(
        csr_matrix(np.ones((9, 2))), 3, np.random.default_rng(0), lambda: None
    )
    assert len(set(same.tolist())) == 1
