from __future__ import annotations

import pytest

from azureml_emulator import strict_json


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b'{"a": [1, null, "\\u00e9"]}', {"a": [1, None, "é"]}),
        (b'"\\ud83d\\ude00"', "\N{GRINNING FACE}"),
        ('{"a": "é"}'.encode("utf-16"), {"a": "é"}),
        (b"[" * 64 + b"]" * 64, None),
    ],
)
def test_json(content: bytes, value: object) -> None:
    assert value in (None, strict_json.loads(content))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xff",
        b'{"a": NaN}',
        b"[Infinity]",
        b'"\\ud800"',
        b'{"\\uDC00": 1}',
        b"[" * 65 + b"]" * 65,
        b'{"a":' * 100_000,
        b"[" * 100_000,
    ],
)
def test_what_cannot_be_stored(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        strict_json.loads(content)
