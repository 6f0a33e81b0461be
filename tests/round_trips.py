"""Writing a model and reading it back."""

from __future__ import annotations

from pomdptool.formats.models import WrittenKind, encode_model, read_model
from pomdptool.model import Model


def there_and_back(model: Model, kind: WrittenKind) -> Model:
    text, changes = encode_model(model, kind)
    assert changes == []
    read, findings = read_model(text, "written", kind=kind, strict=True)
    assert read is not None, findings
    assert not findings
    return read


def assert_same(model: Model, other: Model) -> None:
    assert other.equals(model)
    assert other.digest == model.digest
