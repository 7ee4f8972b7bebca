"""The report: per-class metrics, escaped names, most confident mistakes."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kfp_azureml.imagesets.image_set import Batch
from kfp_azureml.steps.score.report import Mistake, TopMistakes, per_class_metrics, png_data_uri, write_report
from kfp_azureml.steps.score.results import ScoreResult
from kfp_azureml.steps.score.scored_batch import ScoredBatch

CLASSES = ("a", "<script>alert(1)</script>", "never")
CONFUSION = ((3, 1, 0), (2, 4, 0), (0, 0, 0))
RESULT = ScoreResult(images=10, accuracy=0.7, loss=0.5, classes=CLASSES, confusion=CONFUSION)
MISTAKE = Mistake(17, label=0, predicted=1, confidence=0.987, image=np.full((2, 2, 1), 255, np.uint8))


def test_precision_and_recall_of_each_class() -> None:
    first, second, never = per_class_metrics(CLASSES, CONFUSION)
    assert (first.images, first.precision, first.recall) == (4, 3 / 5, 3 / 4)
    assert (second.images, second.precision, second.recall) == (6, 4 / 5, 4 / 6)
    assert (never.images, never.precision, never.recall) == (0, None, None)


def test_the_page_escapes_names_and_is_self_contained(tmp_path: Path) -> None:
    write_report(tmp_path / "report", RESULT, [MISTAKE])
    page = (tmp_path / "report").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "http" not in page
    assert "70.00 %" in page
    assert "98.7 %" in page
    assert "image 17" in page
    assert page.count('src="data:image/png;base64,') == 1


def test_a_perfect_model_has_no_mistakes_to_show(tmp_path: Path) -> None:
    perfect = ScoreResult(images=2, accuracy=1.0, loss=0.0, classes=("a", "b"), confusion=((1, 0), (0, 1)))
    write_report(tmp_path / "report", perfect, [])
    assert "No mistakes." in (tmp_path / "report").read_text()


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
    assert [int(mistake.image[0, 0, 0]) for mistake in top_mistakes.mistakes] == expected
    assert [(m.label, m.predicted) for m in top_mistakes.mistakes] == [
        (labels[row], predicted[row]) for row in expected
    ]


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "L"), (3, "RGB"), (4, "RGBA")])
def test_the_png_holds_the_pixels(channels: int, mode: str) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (3, 5, channels), np.uint8)
    uri = png_data_uri(pixels)
    shown = Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/png;base64,"))))
    assert (shown.mode, shown.size) == (mode, (5, 3))
    assert (np.asarray(shown).reshape(3, 5, -1) == (pixels if channels > 2 else pixels[:, :, :1])).all()
