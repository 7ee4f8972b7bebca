"""The report: metrics by class, escaped names, most confident mistakes, bounded size."""

import base64
import io
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kfp_azureml.imagesets.image_set import Batch
from kfp_azureml.models.live_model import LiveComparison
from kfp_azureml.steps.score.calibration import Bin, Calibration
from kfp_azureml.steps.score.class_counts import ClassCounts
from kfp_azureml.steps.score.report import MISTAKES, SHOWN_CLASSES, Mistake, TopMistakes, write_report
from kfp_azureml.steps.score.results import ClassMetrics, ScoreResult
from kfp_azureml.steps.score.scored_batch import ScoredBatch
from kfp_azureml.steps.score.thumbnails import EXACT_SIDE, SIDE, data_uri, shrink

CLASSES = (
    ClassMetrics("a", 4, 5, 3),
    ClassMetrics("<script>alert(1)</script>", 6, 5, 4),
    ClassMetrics("never", 0, 0, 0),
)
CONFUSION = ((3, 1, 0), (2, 4, 0), (0, 0, 0))
CALIBRATION = Calibration((Bin(10 / 15, 11 / 15, 4, 0.7, 0.5), Bin(14 / 15, 1.0, 6, 0.98, 5 / 6)))
RESULT = ScoreResult(images=10, loss=0.5, class_metrics=CLASSES, confusion=CONFUSION, calibration=CALIBRATION)
MISTAKE = Mistake(17, label=0, predicted=1, confidence=0.987, thumbnail=np.full((2, 2, 1), 255, np.uint8))


class Page(HTMLParser):
    """Tags with their attributes, and the text without them."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page_of(folder: Path, result: ScoreResult, mistakes: list[Mistake]) -> Page:
    write_report(folder / "report", result, mistakes)
    return Page(folder / "report")


def test_the_page_escapes_names_and_is_self_contained(tmp_path: Path) -> None:
    write_report(tmp_path / "report", RESULT, [MISTAKE])
    page = (tmp_path / "report").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "://" not in page
    assert "70.00 %" in page
    assert "98.7 %" in page
    assert "image 17" in page
    assert page.count('src="data:image/png;base64,') == 1


def test_pictures_load_lazily_have_their_size_and_a_text(tmp_path: Path) -> None:
    (picture,) = page_of(tmp_path, RESULT, [MISTAKE]).all("img")
    assert (picture["loading"], picture["width"], picture["height"]) == ("lazy", "2", "2")
    assert picture["alt"] == "Image 17, a"


def test_the_reliability_curve_is_drawn_named_and_in_a_table(tmp_path: Path) -> None:
    page = page_of(tmp_path, RESULT, [])
    (curve,) = page.all("svg")
    assert curve["role"] == "img"
    assert curve["aria-labelledby"] == "curve-title"
    assert [(point["cx"], point["cy"]) for point in page.all("circle")] == [("215.0", "135.0"), ("285.0", "51.7")]
    assert "67 to 73 %" in page.text
    # (4 x .2 + 6 x (.98 - 5/6)) / 10
    assert "16.80 %" in page.text


def test_a_perfect_model_has_no_mistakes_to_show(tmp_path: Path) -> None:
    classes = [ClassMetrics("a", 1, 1, 1), ClassMetrics("b", 1, 1, 1)]
    perfect = replace(RESULT, images=2, class_metrics=classes, confusion=((1, 0), (0, 1)))
    assert "No mistakes." in page_of(tmp_path, perfect, []).text


def test_the_live_model_is_beside_the_new_one(tmp_path: Path) -> None:
    of_live = {"accuracy": 0.8, "macro_f1": 0.75, "worst_recall": 0.5, "loss": 0.4}
    page = page_of(tmp_path, replace(RESULT, live=LiveComparison("fashion:3", of_live, 1, 2, 1.0)), [])
    assert "Live model fashion:3" in page.text
    assert "0.8000" in page.text
    assert "McNemar's exact test, two-sided: p = 1," in page.text
    assert "Live model fashion:3" not in page_of(tmp_path, RESULT, []).text


def test_why_the_live_model_was_not_compared_is_said(tmp_path: Path) -> None:
    other = LiveComparison("", {}, not_compared="no model is live")
    assert "Not compared: no model is live." in page_of(tmp_path, replace(RESULT, live=other), []).text


@pytest.mark.parametrize("classes", [51, 1_000, 5_000])
def test_a_page_of_many_classes_stays_small(tmp_path: Path, classes: int) -> None:
    rng = np.random.default_rng(0)
    counts = ClassCounts([f"class {index}" for index in range(classes)])
    counts.add(rng.integers(0, classes, 20_000), rng.integers(0, classes, 20_000))
    many = replace(RESULT, images=20_000, class_metrics=counts.class_metrics(), confusion=counts.matrix(),
                   confusions=counts.confusions())  # fmt: skip
    page = page_of(tmp_path, many, [])
    assert "Confusion matrix" not in page.text
    assert (tmp_path / "report").stat().st_size < 60_000
    assert f"{min(classes, SHOWN_CLASSES):,} classes with the lowest recall" in page.text or classes <= SHOWN_CLASSES


def test_top_mistakes_are_the_most_confident_of_all_batches() -> None:
    rng = np.random.default_rng(3)
    probabilities = rng.dirichlet(np.ones(3), 90).astype(np.float32)
    predicted = probabilities.argmax(axis=1).astype(np.uint8)
    labels = rng.integers(0, 3, 90).astype(np.uint8)
    images = np.arange(90, dtype=np.uint8).reshape(-1, 1, 1, 1)
    top_mistakes = TopMistakes(size=5)
    for start in range(0, 90, 30):
        rows = slice(start, start + 30)
        top_mistakes.add(ScoredBatch(start, Batch(images[rows], labels[rows]), probabilities[rows], predicted[rows]))

    wrong = [row for row in range(90) if predicted[row] != labels[row]]
    expected = sorted(wrong, key=lambda row: -probabilities[row].max())[:5]
    assert [mistake.index for mistake in top_mistakes.mistakes] == expected
    assert [int(mistake.thumbnail[0, 0, 0]) for mistake in top_mistakes.mistakes] == expected
    assert [(m.label, m.predicted) for m in top_mistakes.mistakes] == [
        (labels[row], predicted[row]) for row in expected
    ]


def shown(thumbnail: np.ndarray) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(data_uri(thumbnail).partition(",")[2])))


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "L"), (3, "RGB"), (4, "RGBA")])
def test_a_small_image_is_shown_pixel_by_pixel(channels: int, mode: str) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (3, 5, channels), np.uint8)
    picture = shown(shrink(pixels))
    assert (picture.format, picture.mode, picture.size) == ("PNG", mode, (5, 3))
    assert (np.asarray(picture).reshape(3, 5, -1) == (pixels if channels > 2 else pixels[:, :, :1])).all()


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "L"), (3, "RGB"), (4, "RGB")])
def test_a_large_image_is_reduced(channels: int, mode: str) -> None:
    pixels = np.full((EXACT_SIDE, 4 * SIDE, channels), 200, np.uint8)
    pixels[:, :, -1] = 255 if channels == 4 else 200
    picture = shown(shrink(pixels))
    assert (picture.format, picture.mode, picture.size) == ("JPEG", mode, (SIDE, EXACT_SIDE // 4))
    assert abs(np.asarray(picture).astype(int) - 200).max() < 3


@pytest.mark.parametrize("side", [224, 1024])
def test_a_page_of_large_images_stays_small(tmp_path: Path, side: int) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (side, side, 3), np.uint8)  # no picture compresses worse
    mistakes = [replace(MISTAKE, thumbnail=shrink(noise))] * MISTAKES
    write_report(tmp_path / "report", RESULT, mistakes)
    assert (tmp_path / "report").stat().st_size < 600_000
