"""Writing .pomdp: what is written reads back equal, to the last bit of every float."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pomdptool.errors import FormatError, PomdpWarning
from pomdptool.formats.dump import write_file
from pomdptool.formats.models import WrittenKind, encode_model, load, loads, read_model
from pomdptool.formats.pomdp import reward_rules
from pomdptool.formats.pomdp.names import valid_names as made_valid
from pomdptool.formats.pomdp.write import write_pomdp
from pomdptool.model import Model, make_model
from samples import (
    any_names,
    counted,
    file_text,
    name_of,
    problem_files,
    programs,
    small_models,
    valid_names,
    wide_models,
)

KINDS: list[WrittenKind] = ["pomdp", "json"]
READABLE = [
    pytest.param(
        path, id=name_of(path), marks=pytest.mark.slow if path.stat().st_size > 5e6 else ()
    )
    for path in problem_files()
    if path.name != "ejs7.POMDP"
]


def there_and_back(model: Model, kind: WrittenKind) -> Model:
    text, said = encode_model(model, kind)
    assert said == []
    read, findings = read_model(text, "written", kind=kind, strict=True)
    assert read is not None, findings
    assert not findings
    return read


def assert_same(model: Model, other: Model) -> None:
    assert other.equals(model)
    assert other.digest == model.digest


@pytest.mark.filterwarnings("ignore::pomdptool.errors.PomdpWarning")
@pytest.mark.parametrize("path", READABLE)
def test_sample_reads_back_equal(path: Path) -> None:
    model = load(path)
    for kind in KINDS:
        assert_same(model, there_and_back(model, kind))


@pytest.mark.parametrize(
    "name", ["m.pomdp", "m.POMDP", "m.json", "m.pomdp.gz", "m.json.gz", "M.mdp"]
)
def test_file_reads_back_equal(name: str, tmp_path: Path) -> None:
    model = make_model([np.eye(2)], [[1 / 3, 2 / 3], [1.0, 0.0]], [[1, 1 / 7]], discount=0.9)
    text, _ = encode_model(model, "json" if "json" in name else "pomdp")
    write_file(tmp_path / name, text)
    assert (tmp_path / name).read_bytes()[:2] == b"\x1f\x8b" or not name.endswith(".gz")
    assert_same(model, load(tmp_path / name))
    assert load(tmp_path / name).name in (name.split(".")[0], "")


def test_compressed_bytes_are_the_same_each_time(tmp_path: Path) -> None:
    for name in ("a.gz", "b.gz"):
        write_file(tmp_path / name, "x" * 1000)
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


@settings(max_examples=60)
@given(small_models(counted) | small_models(valid_names) | wide_models(), st.sampled_from(KINDS))
def test_random_model_reads_back_equal(model: Model, kind: WrittenKind) -> None:
    assert_same(model, there_and_back(model, kind))


@given(small_models(any_names))
def test_names_that_the_format_refuses_are_replaced(model: Model) -> None:
    text, said = encode_model(model, "pomdp")
    valid, also_said = made_valid(model)
    assert said == also_said
    assert bool(said) == (valid is not model)
    read, findings = read_model(text, "written", kind="pomdp", strict=True)
    assert read is not None, findings
    assert_same(valid, read)
    assert made_valid(valid) == (valid, [])
    assert_same(model, there_and_back(model, "json"))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a", "T", "reset"], ("a", "s_T", "s_reset")),
        (["1", "0", "x"], ("s_1", "s_0", "x")),
        (["0", "1", "2"], ("0", "1", "2")),
        (["a b", "a_b", "a:b"], ("a_b_2", "a_b", "a_b_3")),
        (["", "é", "-"], ("s_", "s__", "s_-")),
        (["goals", "T1", "o-"], ("goals", "T1", "o-")),
    ],
)
def test_replaced_names(names: list[str], expected: tuple[str, ...]) -> None:
    model = make_model([np.eye(3)], np.ones((3, 1)), discount=1, states=names)
    valid, said = made_valid(model)
    assert valid.states == expected
    for old, new in zip(names, expected, strict=True):
        assert old == new or f"{old!r} is written as {new!r}" in said[0]


@given(programs(), st.integers(1, 40), st.sampled_from(KINDS))
def test_rewards_on_the_support_read_back_equal(
    program: Any, limit: int, kind: WrittenKind
) -> None:
    with patch.object(reward_rules, "TABLE_LIMIT", limit):
        model = loads(file_text(*program))
        assert_same(model, there_and_back(model, kind))


def test_constant_rewards_on_the_support_read_back_equal() -> None:
    n = 5000
    text = f"discount: 1 values: reward states: {n} actions: 1 observations: 1\n"
    text += "T: * identity O: * uniform\n"
    model = loads(text + "\n".join(f"R: 0 : {s} : {s} : * 2" for s in range(n)))
    for kind in KINDS:
        assert_same(model, there_and_back(model, kind))


def test_rewards_of_an_mdp_that_name_the_observation() -> None:
    R = np.arange(8.0).reshape(1, 2, 2, 2)
    model = make_model([np.full((2, 2), 0.5)], None, R, discount=0.9)
    for kind in KINDS:
        other = there_and_back(model, kind)
        np.testing.assert_array_equal(other.expected_rewards, model.expected_rewards)


def test_observation_names_of_an_mdp_are_those_of_its_states() -> None:
    model = make_model([np.eye(2)], None, discount=0.9, states=["a b", "c"])
    valid, _ = made_valid(model)
    assert valid.observations == valid.states


EXTREMES = [
    5e-324,
    2.2250738585072014e-308,
    1e-300,
    1 / 3,
    0.1 * 3,
    1e22,
    1e23,
    1.7976931348623157e308,
]


@pytest.mark.parametrize("value", [*EXTREMES, 2.0**53 + 2, 123456789012345678.0])
def test_reward_reads_back_to_the_last_bit(value: float) -> None:
    for sign in (1, -1):
        for costs in (False, True):
            model = make_model([[[1.0]]], [[1.0]], [sign * value], discount=0.5, costs=costs)
            for kind in KINDS:
                assert there_and_back(model, kind).R.item() == sign * value


@pytest.mark.parametrize("value", [5e-324, 2.2250738585072014e-308, 1e-300, 1e-16, 1 / 3, 0.1 * 3])
def test_probability_reads_back_to_the_last_bit(value: float) -> None:
    row = [value, 1 - value]
    model = make_model([[row, row[::-1]]], [row, [1.0, 0.0]], discount=value, start=row)
    assert model.T[0, 0, 0] == value
    for kind in KINDS:
        assert_same(model, there_and_back(model, kind))


def test_costs_are_written_as_costs() -> None:
    model = make_model([[[1.0]]], [[1.0]], [-3.0], discount=0.5, costs=True)
    text = write_pomdp(model)
    assert "values: cost\n" in text
    assert "R: * : * : * : * 3\n" in text


def test_header_is_a_comment() -> None:
    model = make_model([[[1.0]]], [[1.0]], discount=0.5)
    text = write_pomdp(model, header="one\n\nR: 5")
    assert text.startswith("# one\n#\n# R: 5\n\ndiscount: 0.5\n")
    assert_same(model, loads(text))


def test_text_is_compact() -> None:
    model = make_model([np.eye(40)] * 3, np.full((40, 3), 1 / 3), np.eye(3, 40), discount=0.5)
    lines = write_pomdp(model).split("\n")
    assert "T: *\nidentity\n" in "\n".join(lines)
    assert "O: *\nuniform\n" in "\n".join(lines)
    assert [line for line in lines if line.startswith("R")] == [
        "R: * : * : * : * 0",
        *(f"R: {k} : {k} : * : * 1" for k in range(3)),
    ]


def test_file_name_of_no_format_is_refused(tmp_path: Path) -> None:
    pt = pytest.importorskip("pomdptool")
    model = make_model([[[1.0]]], [[1.0]], discount=0.5)
    with pytest.raises(pt.PomdpError, match=r"m\.txt"):
        pt.dump(model, tmp_path / "m.txt")
    assert list(tmp_path.iterdir()) == []


def test_dump_and_load(tmp_path: Path) -> None:
    pt = pytest.importorskip("pomdptool")
    model = make_model([[[1.0]]], [[1.0]], discount=0.5, actions=["go now"])
    with pytest.warns(PomdpWarning, match="'go now' is written as 'go_now'"):
        pt.dump(model, tmp_path / "m.pomdp")
    assert pt.load(tmp_path / "m.pomdp").actions == ("go_now",)
    pt.dump(model, tmp_path / "m.json.gz")
    assert pt.load(str(tmp_path / "m.json.gz")).equals(model)
    with (tmp_path / "m.pomdp").open(encoding="utf-8") as stream:
        assert pt.load(stream).actions == ("go_now",)


def test_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "m.pomdp"
    path.write_text("old", encoding="utf-8")
    path.chmod(0o640)
    with (
        patch("os.replace", side_effect=OSError(28, "disk full")),
        pytest.raises(OSError, match="disk full"),
    ):
        write_file(path, "new")
    assert path.read_text(encoding="utf-8") == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["m.pomdp"]
    write_file(path, "new")
    assert path.read_text(encoding="utf-8") == "new"
    assert path.stat().st_mode & 0o777 == 0o640


def test_link_is_followed(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old", encoding="utf-8")
    link.symlink_to(target)
    write_file(link, "new")
    assert link.is_symlink()
    assert target.read_text(encoding="utf-8") == "new"


def test_support_entries_of_json_are_every_step_in_any_order() -> None:
    with patch.object(reward_rules, "TABLE_LIMIT", 1):
        model = loads(
            "discount: 1 values: reward states: 2 actions: 1 observations: 2 "
            "T: * uniform O: * : 0 uniform O: * : 1 0.25 0.75 "
            "R: * : 0 : 1 : 1 5 R: * : 1 : 1 : 0 6 R: * : 1 : 0 : * 7"
        )
    document = json.loads(encode_model(model, "json")[0])
    assert len(document["R"]["entries"]) == 8
    document["R"]["entries"].reverse()
    document["R"]["entries"].append(document["R"]["entries"].pop(2))
    assert_same(model, loads(json.dumps(document)))
    document["R"]["entries"].pop()
    with pytest.raises(FormatError, match="every transition"):
        loads(json.dumps(document))
