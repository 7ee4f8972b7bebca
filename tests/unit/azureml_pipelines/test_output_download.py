"""Downloading outputs of a job, with a double of the SDK's client."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from kfp_azureml.azureml_pipelines.output_download import download_outputs
from kfp_azureml.runtime.errors import OutputError

STEP = SimpleNamespace(display_name="train", name="run-1", status="Completed")


class Jobs:
    """A job with one step and one output; where it was downloaded to is kept."""

    def __init__(self) -> None:
        self.places: list[Path] = []

    def get(self, _name: str) -> SimpleNamespace:
        return SimpleNamespace(status="Completed", name="job-1")

    def list(self, *, parent_job_name: str) -> list[SimpleNamespace]:
        assert parent_job_name == "job-1"
        return [STEP]

    def download(self, _run: str, *, download_path: Path, output_name: str) -> None:
        self.places.append(Path(download_path))
        folder = Path(download_path, "named-outputs", output_name)
        folder.mkdir(parents=True)
        (folder / "model.onnx").write_bytes(b"weights")


def test_an_output_is_downloaded_beside_its_place_and_renamed(tmp_path: Path) -> None:
    jobs, to = Jobs(), tmp_path / "to"
    assert download_outputs(SimpleNamespace(jobs=jobs), "job-1", to, ["train.model"]) == [to / "train" / "model"]
    assert [place.parent for place in jobs.places] == [to]  # from another file system it would be copied, half maybe
    assert [path.relative_to(to).as_posix() for path in to.rglob("*") if path.is_file()] == ["train/model/model.onnx"]


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "to").write_text("a file")
    with pytest.raises(OutputError, match=r"^cannot write .*to"):
        download_outputs(SimpleNamespace(jobs=Jobs()), "job-1", tmp_path / "to", ["train.model"])
