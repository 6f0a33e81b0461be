from __future__ import annotations

import numpy as np

from pomdptool.solving.exact.value_function import undominated


def test_undominated_agrees_with_pairwise_comparison() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        vectors = np.round(rng.normal(size=(20, 3)), 1)
        kept = vectors[undominated(vectors)]
        for v in vectors:
            assert any((w >= v - 1e-12).all() for w in kept)
        for i, v in enumerate(kept):
            assert not any((w >= v).all() for k, w in enumerate(kept) if k != i)
