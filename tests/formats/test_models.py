"""Which format a model file is read as: by its text where that shows it, else by its name."""

from __future__ import annotations

import gzip
import json
import warnings
from pathlib import Path

import pytest
from click.testing import CliRunner

from pomdptool.commands.main import cli
from pomdptool.errors import FormatError, PolicyError, PomdpWarning
from pomdptool.formats.models import Kind, encode_model, kind_of_text, load, loads, read_model
from pomdptool.formats.plottable import read_plottable
from pomdptool.formats.policy.read import read_policy
from pomdptool.model import Model
from pomdpx_texts import TIGER as POMDPX

MODEL = loads(POMDPX)


TEXTS: dict[Kind, str] = {
    "pomdp": encode_model(MODEL, "pomdp", "a header")[0],
    "json": encode_model(MODEL, "json")[0],
    "pomdpx": POMDPX,
}


POLICY_XML = '<?xml version="1.0"?>\n<Policy version="0.1" type="value"></Policy>'


ALPHA = "0\n1 2\n\n1\n3 4\n\n"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("\ufeff \r\n{", "json"),
        ("\n\t<", "pomdpx"),
        ("# states\r# {\n\n  #<\n discount : 0.9", "pomdp"),
        ("observations: a", "pomdp"),
        ("states a", None),
        ("# states: a", None),
        ("#" * 50_000 + "\n# " * 50_000, None),
        ("0\n1 2", None),
        ("", None),
    ],
)
def test_kind_of_text(text: str, kind: Kind | None) -> None:
    assert kind_of_text(text) == kind


@pytest.mark.parametrize("kind", ["pomdp", "json", "pomdpx"])
@pytest.mark.parametrize("name", ["m.pomdp", "m.json", "m.pomdpx", "m.mdp.gz", "m.xml", "m"])
def test_the_text_decides(name: str, kind: Kind) -> None:
    model, findings = read_model(TEXTS[kind], name)
    assert model is not None
    assert model.equals(MODEL)
    fits = {"m.pomdp": "pomdp", "m.json": "json", "m.pomdpx": "pomdpx", "m.mdp.gz": "pomdp"}
    expected = [] if fits.get(name, kind) == kind else [("warning", "PT111", 1, 1)]
    assert [(f.level, f.code, f.line, f.column) for f in findings] == expected


def test_the_name_decides_where_the_text_does_not() -> None:
    for name, message in (
        ("m.json", "Extra data"),
        ("m.pomdpx", "not XML"),
        ("m.pomdp", "expected a statement"),
        ("m", "expected a statement"),
    ):
        model, findings = read_model("0\n1 2\n", name)
        assert model is None
        assert findings[0].message.startswith(message)


def test_from_overrides(tmp_path: Path) -> None:
    path = tmp_path / "m.pomdp"
    path.write_text(POMDPX, encoding="utf-8")
    read = CliRunner().invoke(cli, ["check", str(path)], standalone_mode=False)
    assert read.return_value == 0
    warning = f"{path}:1:1: warning PT111: POMDPX in a file named as .pomdp: read as POMDPX"
    assert read.stdout.splitlines() == [warning]
    told = ["check", str(path), "--from", "pomdp"]
    forced = CliRunner().invoke(cli, told, standalone_mode=False)
    assert forced.return_value == 1
    assert forced.stdout.startswith(f"{path}:1:1: error PT001: expected a statement")
    with pytest.warns(PomdpWarning, match="PT111"):
        assert load(path).equals(MODEL)


def test_errors_come_with_the_warning() -> None:
    broken = POMDPX.replace("0.5 0.5", "0.5")
    model, findings = read_model(broken, "m.pomdp")
    assert model is None
    assert [f.code for f in findings] == ["PT111", "PT006"]
    error = FormatError(findings)
    assert str(error).startswith("m.pomdp:16:48: expected 2 numbers, found 1")


@pytest.mark.parametrize("kind", ["pomdp", "json", "pomdpx"])
def test_compressed_without_the_extension(kind: Kind, tmp_path: Path) -> None:
    path = tmp_path / f"m.{kind}"
    path.write_bytes(gzip.compress(TEXTS[kind].encode()))
    assert load(path).equals(MODEL)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (POLICY_XML, "this is an APPL policy, not a model"),
        (
            json.dumps({"format": "pomdptool/policy", "version": 1}),
            'expected an object with "format": "pomdptool/model", found \'pomdptool/policy\'',
        ),
        ("{}", 'expected an object with "format": "pomdptool/model"'),
    ],
)
def test_other_documents_are_not_models(text: str, message: str) -> None:
    for name in ("m.pomdpx", "m.json", "m.pomdp", "m"):
        model, findings = read_model(text, name)
        assert model is None
        assert [f.message for f in findings if f.level == "error"] == [message]


@pytest.mark.parametrize("name", ["p.json", "p.alpha", "p.policy", "p"])
def test_model_is_not_a_policy(name: str) -> None:
    for kind in ("pomdp", "pomdpx"):
        with pytest.raises(FormatError, match=f"^{name}:1:1: this is a model, not a policy"):
            read_policy(TEXTS[kind], name, MODEL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PomdpWarning)  # the name of another format
            assert isinstance(read_plottable(TEXTS[kind], name, MODEL), Model)
    with pytest.raises(FormatError, match="found 'pomdptool/model'"):
        read_policy(TEXTS["json"], name, MODEL)


def test_policies_are_detected_by_their_text() -> None:
    for name in ("p.alpha", "p.policy", "p"):
        assert read_policy(ALPHA, name, MODEL).method == "alpha"
        with pytest.raises(FormatError, match='"format": "pomdptool/policy"'):
            read_policy("{}", name, MODEL)
    with pytest.raises(FormatError, match="the policy has no vectors"):
        read_policy(POLICY_XML, "p.json", MODEL)
    with pytest.raises(FormatError, match="Extra data"):
        read_policy(ALPHA, "p.json", MODEL)
    with pytest.raises(PolicyError, match="with values"):
        read_policy(ALPHA, "p.pg", MODEL)
