"""Flat models of small POMDPX files, computed by hand."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_array_equal

from pomdptool.formats.models import read_model
from pomdpx_texts import TIGER, changed, findings_of, read


def test_tiger() -> None:
    m = read(TIGER, strict=True)
    assert (m.states, m.actions, m.observations) == (
        ("left", "right"),
        ("listen", "open"),
        ("o0", "o1"),
    )
    half = [[0.5, 0.5], [0.5, 0.5]]
    assert_array_equal(m.T, [[[1, 0], [0, 1]], half])
    assert_array_equal(m.Z, [[[0.85, 0.15], [0.15, 0.85]], half])
    assert_array_equal(m.expected_rewards, [[-1, -1], [-100, 10]])
    assert_array_equal(m.start, [0.5, 0.5])
    assert (m.discount, m.name, m.mdp, m.costs) == (0.95, "f", False, False)


def test_later_entries_win_zeros_and_identity_too() -> None:
    entry = "<Entry><Instance>{}</Instance><ProbTable>{}</ProbTable></Entry>"
    one = entry.format("listen - -", "identity")
    for entries, row in (
        (entry.format("listen * *", "0.5") + one, [[1, 0], [0, 1]]),
        (one + entry.format("listen * *", "0.5"), [[0.5, 0.5], [0.5, 0.5]]),
        (
            one
            + entry.format("listen left left", "0.0")
            + entry.format("listen left right", "1e0"),
            [[0, 1], [0, 1]],
        ),
        (one + entry.format("* right -", "uniform"), [[1, 0], [0.5, 0.5]]),
        (one + entry.format("* right *", "uniform"), [[1, 0], [0.5, 0.5]]),
    ):
        assert_array_equal(read(changed(one, entries)).T[0], row)


def test_rewards_of_several_functions_add() -> None:
    more = (
        "<Func><Var>extra</Var><Parent>t o</Parent><Parameter><Entry><Instance>right o1</Instance>"
        "<ValueTable>0.25</ValueTable></Entry></Parameter></Func></RewardFunction>"
    )
    text = changed("</RewardFunction>", more)
    text = text.replace(
        '<RewardVar vname="r"/>', '<RewardVar vname="r"/><RewardVar vname="extra"/>'
    )
    m = read(text)
    assert m.R.shape == (2, 2, 2, 2)
    assert m.R[1, 0, 1, 1] == -99.75
    assert m.R[1, 0, 1, 0] == m.R[1, 0, 0, 1] == -100


def test_no_rewards_is_a_warning() -> None:
    begin, end = TIGER.index("<RewardFunction"), TIGER.index("</pomdpx>")
    text = (TIGER[:begin] + TIGER[end:]).replace('<RewardVar vname="r"/>', "")
    assert [(f.level, f.code) for f in findings_of(text)] == [("warning", "PT109")]
    assert not read(text).R.any()


def test_observed_states_join_the_observation() -> None:
    text = changed('vnameCurr="t"', 'vnameCurr="t" fullyObs="true"')
    m, findings = read_model(text, "f")
    assert m is not None
    assert [(f.level, f.code, f.line) for f in findings] == [("warning", "PT110", 6)]
    assert m.observations == ("o0_left", "o0_right", "o1_left", "o1_right")
    assert_array_equal(m.Z[0], [[0.85, 0, 0.15, 0], [0, 0.15, 0, 0.85]])
    known = text.replace(
        "<Instance>-</Instance><ProbTable>uniform", "<Instance>-</Instance><ProbTable>1 0"
    )
    assert findings_of(known) == ()


def test_impossible_observations_are_left_out() -> None:
    text = changed('vnameCurr="t"', 'vnameCurr="t" fullyObs="true"')
    text = text.replace(
        "<Entry><Instance>* * *</Instance><ProbTable>0.5</ProbTable></Entry>",
        "<Entry><Instance>* - -</Instance><ProbTable>identity</ProbTable></Entry>",
    ).replace("0.85 0.15 0.15 0.85", "1 0 0 1")
    assert read(text).observations == ("o0_left", "o1_right")


def test_fully_observed_model_is_an_mdp() -> None:
    text = changed('vnameCurr="t"', 'vnameCurr="t" fullyObs="true"')
    text = text.replace('<ObsVar vname="o"><NumValues>2</NumValues></ObsVar>', "")
    begin, end = text.index("<ObsFunction"), text.index("<RewardFunction")
    m = read(text[:begin] + text[end:])
    assert m.mdp
    assert_array_equal(m.Z[1], np.eye(2))


def test_names_that_would_be_equal_are_numbered() -> None:
    more = '<StateVar vnamePrev="x" vnameCurr="y"><ValueEnum>{}</ValueEnum></StateVar><ObsVar'
    prior = "<CondProb><Var>{}</Var><Parent>null</Parent><Parameter><Entry><Instance>-</Instance>"
    prior += "<ProbTable>uniform</ProbTable></Entry></Parameter></CondProb></{}>"
    text = TIGER.replace("</InitialStateBelief>", prior.format("x", "InitialStateBelief"))
    text = text.replace("</StateTransitionFunction>", prior.format("y", "StateTransitionFunction"))
    assert read(text.replace("<ObsVar", more.format("b c"))).states == (
        *("left_b", "left_c", "right_b", "right_c"),
    )
    clash = text.replace("left right<", "p p_q<").replace("<ObsVar", more.format("q_r r"))
    assert read(clash).states == ("s0_0", "s0_1", "s1_0", "s1_1")
