"""Every reader, on files with some bytes changed: a result, or our own error, soon.

Untrusted input is never executed, and its size in memory is limited.
"""

from __future__ import annotations

import functools
import gzip
import random
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import pomdptool
from pomdptool.commands.planners import load_prior
from pomdptool.commands.sample import _scripts
from pomdptool.errors import FormatError, PomdpError, PomdpWarning
from pomdptool.formats import text_input
from pomdptool.formats.data.read import read_episodes
from pomdptool.formats.models import load
from pomdptool.formats.policy.appl import read_appl
from pomdptool.formats.policy.pg import read_pg
from pomdptool.formats.policy.read import load_policy
from pomdptool.formats.text_input import read_source
from pomdptool.model import Model
from pomdpx_texts import TIGER
from samples import ROOT

pytestmark = pytest.mark.timeout(3600)

Reader = Callable[[Path], object]


@functools.cache
def tiger() -> Model:
    return load(ROOT / "problems" / "tiger.pomdp")


def read_graph(path: Path) -> object:
    return read_pg(*read_source(path))


def read_policy(path: Path) -> object:
    return load_policy(path, tiger())


def read_scripts(path: Path) -> object:
    return _scripts(str(path), tiger())


def read_prior(path: Path) -> object:
    return load_prior(str(path), tiger())


PLAIN = {
    "m.pomdpx": TIGER,
    "a.txt": "listen\nopen-left\n\n0\n2\n",
    "q.json": '{"listen": {"visits": 10, "value": 1.5}, "open-left": {"visits": 0, "value": -1e3}}',
}

READERS: dict[str, Reader] = {
    **{f"m.{kind}": load for kind in ("pomdp", "json", "pomdpx", "pomdp.gz", "json.gz")},
    **{f"p.{kind}": read_policy for kind in ("json", "alpha", "policy", "json.gz")},
    "p.pg": read_graph,
    "a.txt": read_scripts,
    "q.json": read_prior,
    **{f"d.{kind}": read_episodes for kind in ("csv", "tsv", "jsonl", "parquet", "csv.gz")},
}


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A valid file for each reader."""
    folder = tmp_path_factory.mktemp("seeds")
    rng = np.random.default_rng(1)
    things = {
        "m": tiger(),
        "p": pomdptool.solve(tiger(), "exact", horizon=3).policy,
        "d": pomdptool.sample(tiger(), episodes=4, steps=5, rng=rng),
    }
    for name in READERS:
        path = folder / name
        if name in PLAIN:
            path.write_text(PLAIN[name])
        elif name == "p.policy":
            pomdptool.dump(pomdptool.solve(tiger(), "sarsop").policy, path)
        else:
            pomdptool.dump(things[name[0]], path)
        READERS[name](path)
    return {name: (folder / name).read_bytes() for name in READERS}


TOKENS = [
    *(b"\0", b"\xff", b"\n", b"\r", b'"', b"'", b"<", b">", b"&", b"{", b"}", b"[", b"]", b","),
    *(b"nan", b"inf", b"-1", b"1e999", b"1e308", b"9" * 20, b"9" * 5000, b"0x10", b"1_0", b"*"),
    *(b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\xed\xa0\x80", b"null", b"true", b"__class__", b"-"),
    *(b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"&b;", b"<![CDATA[", b"<?x?>", b"<!--", b"uniform"),
    *(b"identity", b"</Entry>", b"<Entry>", b"- - -", b"states: 4000000 ", b"\x1f\x8b\x08"),
    *(b"[" * 5000, b"4194304", b"PAR1"),
]  # fmt: skip


def mutated(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """Change some places."""
    for _ in range(rng.choice([1, 1, 2, 3, 8])):
        at = rng.randrange(len(data) + 1)
        end = min(len(data), at + rng.choice([0, 1, 1, 4, 30, 300]))
        part = rng.choice(
            [
                b"",
                bytes(rng.randrange(256) for _ in range(rng.randrange(1, 5))),
                rng.choice(TOKENS),
                data[at:end] * 2,
                data[rng.randrange(len(data) + 1) :][: rng.randrange(1, 60)],
                rng.choice(others)[at:end],
            ]
        )
        data = data[:at] + part + data[end:]
        if rng.random() < 0.05:
            data = data[:at]
    return data


def fuzz(name: str, seeds: dict[str, bytes], path: Path, rng: random.Random, end: float) -> None:
    """Change and read until the time is over; compressed files are changed inside, too."""
    others = list(seeds.values())
    read = refused = 0
    while time.monotonic() < end or min(read, refused) == 0:
        data = seeds[name]
        if name.endswith(".gz") and rng.random() < 0.7:
            data = gzip.compress(mutated(gzip.decompress(data), others, rng), 1)
        else:
            data = mutated(data, others, rng)
        path.write_bytes(data)
        began = time.monotonic()
        try:
            READERS[name](path)
            read += 1
        except PomdpError as error:
            refused += 1
            check(error, path)
        assert time.monotonic() - began < 30, data


def check(error: PomdpError, path: Path) -> None:
    """Our errors can be shown, and tell the place."""
    str(error).encode(errors="surrogateescape")
    if isinstance(error, FormatError):
        assert str(error).startswith(f"{path}:{error.line}:{error.column}: ")


@pytest.mark.parametrize("seconds", [0.5, pytest.param(40, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", READERS)
def test_changed_bytes(name: str, seconds: float, seeds: dict[str, bytes], tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PomdpWarning)
        rng = random.Random(f"{name} {time.time_ns() if seconds > 1 else 0}")
        fuzz(name, seeds, tmp_path / name, rng, time.monotonic() + seconds)


# ---------------------------------------------------------------- files that expand


@pytest.mark.parametrize("kind", ["pomdp", "json", "pomdpx"])
def test_compressed_models_do_not_grow_without_bound(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_input, "MAX_BYTES", 1 << 20)
    path = tmp_path / f"bomb.{kind}.gz"
    path.write_bytes(gzip.compress(b" " * (1 << 26)))
    with pytest.raises(FormatError, match="more than"):
        load(path)


DEEP = {
    "d.json": "[" * 1_000_000,
    "e.json": '{"a":' * 100_000,
    "f.json": '{"format": "pomdptool/model", "version": 1, "T": ' + "[" * 100_000,
    "d.pomdpx": "<pomdpx>" * 1_000_000,
    "e.pomdpx": "<pomdpx><Description>" + "<a>" * 100_000,
    "f.pomdpx": "<pomdpx " + " ".join(f'a{k}="x"' for k in range(100_000)) + ">",
    "d.pomdp": "T: " * 200_000,
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", DEEP)
def test_deep_models_are_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(DEEP[name])
    with pytest.raises(FormatError):
        load(tmp_path / name)


@pytest.mark.timeout(60)
def test_deep_policies_are_refused(tmp_path: Path) -> None:
    for text in ("<Policy>" * 300_000, "<Policy>" * 300_000 + "</Policy>" * 300_000):
        with pytest.raises(FormatError):
            read_appl(text, "deep.policy", 2, 2)
    entity = "<!DOCTYPE p [<!ENTITY a 'x'>]><Policy>&a;</Policy>"
    with pytest.raises(FormatError, match="document type"):
        read_appl(entity, "e.policy", 2, 2)
    (tmp_path / "p.json").write_text("[" * 1_000_000)
    with pytest.raises(FormatError):
        load_policy(tmp_path / "p.json", tiger())


@pytest.mark.timeout(30)
def test_duplicate_among_many_names_is_detected_quickly() -> None:
    names = [f"s{k}" for k in range(200_000)]
    text = (
        '{"format": "pomdptool/model", "version": 1, "discount": 1, "values": "reward", '
        f'"states": {[*names, "s199999"]}, "actions": ["a"], "observations": null, "start": [1], '
        '"T": [[0, 0, 0, 1]], "R": {"shape": [1, 1, 1, 1], "values": [0]}}'
    ).replace("'", '"')
    with pytest.raises(FormatError, match="'s199999' occurs twice"):
        pomdptool.loads(text)
