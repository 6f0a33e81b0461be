"""A call of every command on files with hostile names."""

from __future__ import annotations

BAD = "\x1b[31m\x1b]0;owned\x07\x9b2J\r\u202e\u2028\noptimal value  19.0 to 19.1 (certified)"
"""Colours, the title of the window, an 8-bit control, bidirectional marks, and a forged line."""


FILE = "f\x1b[31m\noptimal value  19.0"


SIMULATE = ["--seed", "1", "--episodes", "3", "--steps", "4"]


CASES: dict[str, list[list[str]]] = {
    "info": [
        ["m.json", "-v", "--tables"], [f"{FILE}.json"], ["m.json", "--json"], ["bad.json"],
        ["bad.pomdp"], ["bad.pomdpx"], [f"{BAD}.json"], [f"--{BAD}"], ["m.json", BAD],
    ],
    "check": [
        [f"{FILE}.json", "-v"], ["bad.json"], ["bad.json", "--json"], ["bad.pomdp"], ["bad.pomdpx"],
    ],
    "convert": [[f"{FILE}.json", "-v"], ["m.json", "--to", "json"], ["m.json", "-o", f"{FILE}.x"]],
    "problem": [
        ["maze", f"{FILE}.map"], ["maze", "bad.map"], ["tag", "--map", f"{FILE}.map"],
        ["maze", BAD], ["tiger"], ["heavenhell"], ["list"], [BAD],
        ["rocksample", "--size", "2", "--rocks", "1", "--seed", "1"],
    ],
    "solve": [
        [f"{FILE}.json", "-v"], ["m.json", "--method", BAD], ["m.json", "--resume", "p.json"],
        ["m.json", "-o", "graph.dot"], ["m2.json", "--method", "exact", "-o", "p.policy"],
        ["m2.json", "--terminal-values", "p.json", "--horizon", "2", "-v"],
    ],
    "policy": [
        ["p.json"], ["p.json", "--model", "m.json", "--at", BAD], ["p.json", "--json"],
        ["p.json", "--model", "m.json", "--at", "0"], ["p.policy", "--model", "m2.json"],
        ["p.json", "--after", BAD], [f"{FILE}.json"],
    ],
    "evaluate": [
        ["m.json", "p.json", *SIMULATE], ["m2.json", "p.json", *SIMULATE],
        ["m.json", "p.json", *SIMULATE, "--json"], ["m2.json", "p.policy", *SIMULATE],
    ],
    "simulate": [
        ["m.json", "--policy", "p.json", *SIMULATE, "-v", "--compare", "p.json"],
        ["m.json", "--sims", "5", *SIMULATE, "-v"], ["m.json", "--planner", BAD],
        ["m2.json", "--policy", "p.json", *SIMULATE], ["m.json", "--prior", "m.json"],
        ["m.json", "--policy", f"{FILE}.json"],
    ],
    "act": [["m.json", "p.json", "--belief"], ["m2.json", "p.json"]],
    "plot": [
        [file, "--to", "svg", "--title", title] for title in ("", BAD)
        for file in ("p.json", "t.jsonl", "r.json")
    ] + [["p.json", "--show", what] for what in ("graph", "bounds", BAD)],
    "sample": [
        ["m.json", *SIMULATE, "--states"], ["m.json", *SIMULATE, "-o", "o.jsonl"],
        ["m.json", "--actions", f"{FILE}.map"],
    ],
    "fit": [
        [f"{FILE}.jsonl", "--states", "1:2", "--seed", "1", "-v"],
        [f"{FILE}.jsonl", "--method", "udm", "--seed", "1", "--like", "m.json"],
        ["bad.jsonl", "--states", "1", "--like", "m.json"], ["bad.csv", "--states", "1"],
        ["f.jsonl", "--states", "2", "--action-column", BAD],
    ],
    "loglik": [
        ["m.json", f"{FILE}.jsonl", "--per-episode"], ["m.json", "bad.jsonl"],
    ],
    "decode": [
        ["m.json", "f.jsonl", *options] for options in ([], ["--json"], ["--show", "transitions"])
    ] + [["m.json", "bad.jsonl"]],
    "compare": [[f"{FILE}.json", "m2.json", *SIMULATE], ["m.json", "m2.json", *SIMULATE, "--json"]],
    "help": [[], ["solve"], [BAD]],
    "completion": [["bash"], [BAD]],
}  # fmt: skip
"""Ways to call each command so that it prints names, or refuses them."""
