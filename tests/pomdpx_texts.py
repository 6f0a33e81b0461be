"""A POMDPX file by hand."""

from __future__ import annotations

from pomdptool.errors import Finding
from pomdptool.formats.models import read_model
from pomdptool.model import Model

TIGER = """<?xml version="1.0" encoding="UTF-8"?>
<pomdpx version="1.0" id="tiger">
<Description>A tiger.</Description>
<Discount>0.95</Discount>
<Variable>
<StateVar vnamePrev="s" vnameCurr="t"><ValueEnum>left right</ValueEnum></StateVar>
<ObsVar vname="o"><NumValues>2</NumValues></ObsVar>
<ActionVar vname="a"><ValueEnum>listen open</ValueEnum></ActionVar>
<RewardVar vname="r"/>
</Variable>
<InitialStateBelief><CondProb><Var>s</Var><Parent>null</Parent><Parameter type="TBL">
<Entry><Instance>-</Instance><ProbTable>uniform</ProbTable></Entry>
</Parameter></CondProb></InitialStateBelief>
<StateTransitionFunction><CondProb><Var>t</Var><Parent>a s</Parent><Parameter type="TBL">
<Entry><Instance>listen - -</Instance><ProbTable>identity</ProbTable></Entry>
<Entry><Instance>open * -</Instance><ProbTable>0.5 0.5</ProbTable></Entry>
</Parameter></CondProb></StateTransitionFunction>
<ObsFunction><CondProb><Var>o</Var><Parent>a t</Parent><Parameter>
<Entry><Instance>* * *</Instance><ProbTable>0.5</ProbTable></Entry>
<Entry><Instance>listen - -</Instance><ProbTable>0.85 0.15 0.15 0.85</ProbTable></Entry>
</Parameter></CondProb></ObsFunction>
<RewardFunction><Func><Var>r</Var><Parent>a s</Parent><Parameter type="TBL">
<Entry><Instance>listen *</Instance><ValueTable>-1</ValueTable></Entry>
<Entry><Instance>open -</Instance><ValueTable>-100 10</ValueTable></Entry>
</Parameter></Func></RewardFunction>
</pomdpx>
"""


def read(text: str, *, strict: bool = False) -> Model:
    model, findings = read_model(text, "f.pomdpx", strict=strict)
    assert model is not None, findings
    return model


def findings_of(text: str) -> tuple[Finding, ...]:
    return read_model(text, "f.pomdpx", kind="pomdpx")[1]


def changed(old: str, new: str) -> str:
    assert old in TIGER
    return TIGER.replace(old, new, 1)
