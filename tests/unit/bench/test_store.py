"""Stored measurements are used while machine and inputs are unchanged."""

from pathlib import Path

import pytest

from bench import store as store_module
from bench.context import Context
from bench.measurement import Measurement
from bench.row import Row, alone
from bench.store import Store, machine


def _measure(_context: Context) -> list[Row]:
    return [alone("a", "s", [1.0])]


ROWS = [alone("a", "s", [1.0]).as_dict()]


@pytest.fixture
def measurement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Measurement:
    """Return a measurement whose inputs are the .txt files of a folder."""
    monkeypatch.setattr(Measurement.input_hash, "__defaults__", (tmp_path,))
    (tmp_path / "input.txt").write_text("one")
    return Measurement("some", _measure, ("*.txt",))


def test_what_was_kept_is_found(measurement: Measurement, tmp_path: Path) -> None:
    store = Store(tmp_path / "rows")
    assert store.find(measurement) is None
    kept = store.keep(measurement, ROWS, seconds=12.34)
    assert store.find(measurement) == kept
    assert store.find_older(measurement) is None
    assert (kept["rows"], kept["seconds"], kept["machine"]) == (ROWS, 12.3, machine())


def test_another_measurement_is_another_matter(measurement: Measurement, tmp_path: Path) -> None:
    Store(tmp_path / "rows").keep(measurement, ROWS, 1.0)
    assert Store(tmp_path / "rows").find(Measurement("other", _measure, ("*.txt",))) is None


@pytest.mark.parametrize("change", ["content", "name", "new file"])
def test_changed_inputs_are_measured_again(measurement: Measurement, tmp_path: Path, change: str) -> None:
    store = Store(tmp_path / "rows")
    store.keep(measurement, ROWS, 1.0)
    match change:
        case "content":
            (tmp_path / "input.txt").write_text("two")
        case "name":
            (tmp_path / "input.txt").rename(tmp_path / "renamed.txt")
        case _:
            (tmp_path / "another.txt").write_text("")
    assert store.find(measurement) is None
    older = store.find_older(measurement)
    assert older is not None
    assert older["rows"] == ROWS


def test_other_files_do_not_matter(measurement: Measurement, tmp_path: Path) -> None:
    store = Store(tmp_path / "rows")
    store.keep(measurement, ROWS, 1.0)
    (tmp_path / "input.md").write_text("")
    (tmp_path / "__pycache__").mkdir()
    assert store.find(measurement) is not None


def test_another_machine_is_measured_itself(
    measurement: Measurement, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "rows")
    store.keep(measurement, ROWS, 1.0)
    monkeypatch.setattr(store_module, "machine", lambda: "another")
    assert store.find(measurement) is None
