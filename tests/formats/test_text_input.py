"""Files that are no text, JSON that other readers would read otherwise, numbers out of range.

Each is one line with its place and exit code 1, whichever reader meets it."""

from __future__ import annotations

import gzip
import io
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pomdptool
from models import tiger
from pomdptool.errors import DataError, FormatError, ModelError
from pomdptool.formats import limits, text_input
from pomdptool.formats.models import encode_model, loads
from pomdptool.formats.policy.alpha import write_alpha
from pomdptool.formats.policy.appl import write_appl
from pomdptool.formats.text_input import read_source
from pomdptool.model import make_model
from pomdptool.policy import AlphaVectors, problem_of
from processes import call


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("strangers")
    model = tiger()
    pomdptool.dump(model, folder / "m.json")
    pomdptool.dump(pomdptool.solve(model, "exact").policy, folder / "p.json")
    pomdptool.dump(model, folder / "m.pomdp")
    (folder / "d.csv").write_text("action,observation\nlisten,hear-left\n")
    return folder


READERS: dict[str, Callable[[str], list[str]]] = {
    "model": lambda f: ["info", f],
    "check": lambda f: ["check", f],
    "as pomdp": lambda f: ["info", f, "--from", "pomdp"],
    "as json": lambda f: ["info", f, "--from", "json"],
    "as pomdpx": lambda f: ["info", f, "--from", "pomdpx"],
    "policy": lambda f: ["simulate", "m.json", "--policy", f],
    "evaluate": lambda f: ["evaluate", "m.json", f],
    "resume": lambda f: ["solve", "m.json", "--resume", f],
    "terminal": lambda f: ["solve", "m.json", "--horizon", "2", "--terminal-values", f],
    "prior": lambda f: ["simulate", "m.json", "--prior", f],
    "leaf": lambda f: ["simulate", "m.json", "--leaf-values", f],
    "actions": lambda f: ["sample", "m.json", "--actions", f],
    "maze": lambda f: ["problem", "maze", f],
    "tag": lambda f: ["problem", "tag", "--map", f],
    "plot": lambda f: ["plot", f, "--to", "svg"],
    "plot a policy": lambda f: ["plot", f, "--model", "m.json", "--to", "svg"],
    "csv": lambda f: ["fit", f, "--states", "1", "--data-from", "csv"],
    "tsv": lambda f: ["loglik", "m.json", f, "--data-from", "tsv"],
    "jsonl": lambda f: ["decode", "m.json", f, "--data-from", "jsonl"],
    "parquet": lambda f: ["fit", f, "--states", "1", "--data-from", "parquet"],
    "init": lambda f: ["fit", "d.csv", "--init", f],
    "like": lambda f: ["fit", "d.csv", "--states", "1", "--like", f],
    "compare": lambda f: ["compare", "m.json", f],
}
"""A command for each reader."""


NO_TEXT = {
    "zeros": (b"\0" * 100, "zero byte"),
    "program": (b"\x7fELF\x02\x01\0\0", "zero byte"),
    "utf-16": ("discount: 0.9\n{}".encode("utf-16"), "UTF-16"),
    "utf-16 big": (b"\xfe\xff" + "a,b\n".encode("utf-16-be"), "UTF-16"),
    "utf-32": ("discount: 0.9\n".encode("utf-32"), "UTF-32"),
    "unmarked": ("observation\n".encode("utf-16-le"), "zero byte"),
    "half a gzip": (gzip.compress(b"discount: 0.9\n" * 99)[:-12], "compression"),
    "a gzip of zeros": (gzip.compress(b"\0" * 100), "zero byte"),
    "a gzip in name": (b"\x1f\x8b\x08\x00rubbish", "compression"),
}


@pytest.mark.parametrize("content_kind", NO_TEXT)
@pytest.mark.parametrize("reader", READERS)
def test_binary_files_are_refused(
    reader: str, content_kind: str, folder: Path, tmp_path: Path
) -> None:
    content, message = NO_TEXT[content_kind]
    file = tmp_path / "stranger"
    file.write_bytes(content)
    code, out, err = call(folder, *READERS[reader](str(file)), "-q")
    message_text = err + (out.decode() if reader == "check" else "")
    assert code == 1
    assert message_text.count("\n") == 1
    if reader in ("csv", "tsv", "jsonl", "parquet"):  # whose rows may hold any characters
        assert re.match(rf"(error: )?{re.escape(str(file))}:", message_text), message_text
    else:
        assert re.match(rf"{re.escape(str(file))}:1:\d+: [^\n]*{message}", message_text), (
            message_text
        )


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="devices of Unix")
@pytest.mark.parametrize("device", ["/dev/zero", "/dev/urandom"])
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.timeout(20)
def test_endless_devices(reader: str, device: str, folder: Path) -> None:
    code, out, err = call(folder, *READERS[reader](device), "-q")
    assert code == 1
    assert (err + out.decode()).count("\n") == 1


@pytest.mark.timeout(20)
@pytest.mark.parametrize("reader", ["model", "policy", "csv", "maze"])
def test_endless_pipe(reader: str, folder: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def feed() -> None:
        with pipe.open("wb", buffering=0) as stream:
            try:
                while True:
                    stream.write(b"\0" * (1 << 16))
            except BrokenPipeError:
                return

    writer = threading.Thread(target=feed)
    writer.start()
    code, _, err = call(folder, *READERS[reader](str(pipe)), "-q")
    writer.join(timeout=10)
    assert not writer.is_alive()
    assert (code, err.count("\n")) == (1, 1)


def test_large_files_are_refused_before_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse.pomdp"
    with path.open("wb") as stream:
        stream.truncate(limits.MAX_BYTES + 1)
    with pytest.raises(FormatError, match="more than 2 GiB"):
        read_source(path)


def test_a_stream_is_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_input, "MAX_BYTES", 1000)
    monkeypatch.setattr(text_input, "BLOCK", 64)
    assert read_source(io.BytesIO(b" " * 1000))[0] == " " * 1000
    with pytest.raises(FormatError, match="more than"):
        read_source(io.BytesIO(b" " * 1001))
    with pytest.raises(FormatError, match="more than"):
        read_source(io.BytesIO(gzip.compress(b" " * 1001)))


def test_position_of_a_zero_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    for size in (3, 1 << 22):
        monkeypatch.setattr(text_input, "BLOCK", size)
        for ends in (b"\n", b"\r", b"\r\n"):
            with pytest.raises(FormatError) as caught:
                read_source(io.BytesIO(b"ab" + ends + "ö".encode() + b"\0c"))
            assert (caught.value.line, caught.value.column) == (2, 2)


JSON_READERS = ("as json", "policy", "evaluate", "resume", "terminal", "prior", "leaf", "plot",
                "init", "like", "compare")  # fmt: skip


def changed(text: str, content_kind: str) -> bytes:
    """A JSON document that is one no more: in Latin-1, with half a character, a key twice."""
    if content_kind == "latin":
        return text.replace("tiger-left", "gr\xf6\xdfe").encode("latin-1")
    if content_kind == "surrogate":
        return text.replace("tiger-left", "\\ud800nm").encode()
    return text.replace('"version"', '"version": 1, "version"').encode()


@pytest.mark.parametrize("content_kind", ["latin", "surrogate", "twice"])
@pytest.mark.parametrize("reader", JSON_READERS)
def test_untrusted_json_is_refused(
    reader: str, content_kind: str, folder: Path, tmp_path: Path
) -> None:
    models = ("as json", "init", "like", "compare")
    text = (folder / ("m.json" if reader in models else "p.json")).read_text()
    file = tmp_path / "stranger.json"
    file.write_bytes(changed(text, content_kind))
    code, _, err = call(folder, *READERS[reader](str(file)), "-q")
    assert code == 1
    shown = r"[^\n]+\n(?:    [^\n]*\n    *\^\n)?"
    assert re.fullmatch(rf"{re.escape(str(file))}:[1-9]\d*:[1-9]\d*: {shown}", err), err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"observation": "\\ud800x"}', "is not text"),
        ('{"observation": "x", "observation": "y"}', "occurs twice"),
        ('{"observation": "x", "reward": true}', "not a number"),
        ('{"observation": "x", "step": true}', "not a whole number"),
    ],
)
def test_untrusted_json_lines_are_refused(line: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(DataError, match=message):
        pomdptool.load_data(path)


def test_booleans_are_not_numbers(folder: Path) -> None:
    for name, old, new in (
        ("m.json", '"T": [[0, 0, 0, 1.0]', '"T": [[0, 0, 0, true]'),
        ("m.json", '"version": 1', '"version": true'),
        ("m.json", '"discount": 0.95', '"discount": true'),
        ("m.json", '"start": [0.5, 0.5]', '"start": [true, false]'),
        ("p.json", '"iterations": ', '"iterations": true, "x": '),
        ("p.json", '"lower": ', '"lower": true, "x": '),
    ):
        text = (folder / name).read_text()
        assert old in text
        reader: Any = loads if name == "m.json" else pomdptool.load_policy
        source: Any = text.replace(old, new, 1)
        with pytest.raises(FormatError, match=r"number|version"):
            reader(source if reader is loads else io.StringIO(source))


def test_surrogates_in_names_are_refused_from_python() -> None:
    with pytest.raises(ModelError, match="is not text"):
        make_model([np.eye(2)], None, discount=0.9, states=["a", "\ud800"])


def test_policy_with_hostile_names_reads_back() -> None:
    model = make_model([np.eye(2)], None, np.zeros((1, 2)), discount=0.9, name="\x1b<&\x00\n")
    values = AlphaVectors(np.zeros(1, np.int64), np.zeros((1, 2)))
    text = write_appl(values, problem_of(model))
    assert pomdptool.load_policy(io.StringIO(text), model).values.value(model.start) == 0.0
    assert write_alpha(values).isascii()
    assert loads(encode_model(model, "json")[0]).name == model.name
