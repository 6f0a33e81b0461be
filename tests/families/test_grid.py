"""Maps drawn as text."""

import numpy as np

from pomdptool.families.maze import maze


def test_map_comments_and_ragged_lines() -> None:
    plain, drawn = maze("..G\n.\n"), maze("; a title\n#####\n#..G#\n#.\n")
    assert plain.states == ("x0y1", "x1y1", "x2y1", "x0y0")
    assert np.array_equal(plain.T, drawn.T)
