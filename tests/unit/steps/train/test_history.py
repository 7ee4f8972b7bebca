"""The page with charts of training metrics."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from kfp_azureml.steps.train.history import Epoch, write_history


def page(tmp_path: Path, *epochs: Epoch) -> str:
    write_history(tmp_path / "page", "Training of <b>", epochs, kept=epochs[-1])
    return (tmp_path / "page").read_text()


def charts(text: str) -> list[ET.Element]:
    """Return the charts, parsed as XML."""
    return [ET.fromstring(part.partition("</figure>")[0] + "</figure>") for part in _figures(text)]  # noqa: S314


def _figures(text: str) -> list[str]:
    return ["<figure>" + part for part in text.split("<figure>")[1:]]


def test_charts_and_table_show_each_epoch(tmp_path: Path) -> None:
    text = page(tmp_path, Epoch(1, 0.8, 0.6, 0.5, 0.75, 9.5), Epoch(2, 0.4, 0.8, 0.6, 0.7, 9.0))
    loss, accuracy = charts(text)
    training, validation = loss.findall(".//polyline")
    # The highest value, 0.8, is at the top of the plotting area, the lowest, 0.4, at its bottom.
    assert training.get("points", "").split() == ["60.0,15.0", "400.0,225.0"]
    assert validation.get("points", "").split() == ["60.0,172.5", "400.0,120.0"]
    assert [label.text for label in accuracy.findall(".//text")][:3] == ["0.800", "0.700", "0.600"]
    for figure in ("0.8000", "0.6000", "0.5000", "0.7500", "9.5"):
        assert f"<td>{figure}</td>" in text


def test_without_validation_there_is_one_curve(tmp_path: Path) -> None:
    text = page(tmp_path, Epoch(1, 0.8, 0.6, None, None, 9.5))
    assert [len(chart.findall(".//polyline")) for chart in charts(text)] == [1, 1]
    assert "<td>\u2013</td>" in text


def test_the_page_is_self_contained_and_escapes_text(tmp_path: Path) -> None:
    text = page(tmp_path, Epoch(1, 0.8, 0.6, 0.5, 0.75, 9.5))
    assert "://" not in text
    assert "<script" not in text
    assert "<h1>Training of &lt;b&gt;</h1>" in text


@pytest.mark.parametrize("count", [1, 10, 11, 200])
def test_the_axis_has_few_labels(tmp_path: Path, count: int) -> None:
    epochs = [Epoch(number, 1 / number, 0.5, None, None, 1.0) for number in range(1, count + 1)]
    labels = charts(page(tmp_path, *epochs))[0].findall(".//text")
    assert 3 + 1 <= len(labels) <= 3 + 10
