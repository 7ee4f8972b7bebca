"""A pipeline job whose train step has two workers, by the unmodified SDK."""

from __future__ import annotations

import re
from pathlib import Path

from azureml_emulator import EmulatorInfo
from azureml_jobs import aml
from kfp_azureml.models.model_folder import hash_files, read_manifest


def test_a_job_trains_with_two_workers(azure: EmulatorInfo, images: Path, train_only: Path, tmp_path: Path) -> None:
    params = ("--param", f"input_data={images}")
    done = aml(azure, "submit", str(train_only), *params, "--train-workers", "2", "--stream")
    assert done.returncode == 0, done.stdout + done.stderr
    (job,) = re.findall(r"^Job (\S+) in experiment", done.stdout, re.MULTILINE)
    got = aml(
        azure, "download", job, "--output", "train.output_model", "--output", "train.metrics", "--to", str(tmp_path)
    )
    assert got.returncode == 0, got.stderr
    model = tmp_path / "train" / "output_model" / "output_model"
    manifest = read_manifest(model)
    assert hash_files(model).items() >= manifest.files.items()
    assert manifest.metrics["accuracy"] > 0.5
    # The first worker's: the other one knows no metrics.
    assert '"accuracy"' in (tmp_path / "train" / "metrics" / "kfp.json").read_text()


def test_a_pipeline_that_trains_nothing_has_no_workers(azure: EmulatorInfo, tmp_path: Path) -> None:
    pipeline = tmp_path / "nothing.py"
    pipeline.write_text(
        "from kfp import dsl\n\n"
        "@dsl.component(base_image='python:3.11')\ndef hello() -> str:\n    return 'x'\n\n"
        "@dsl.pipeline(name='nothing')\ndef nothing():\n    hello()\n"
    )
    refused = aml(azure, "submit", str(pipeline), "--train-workers", "2")
    assert refused.returncode == 1
    assert "component train, which the pipeline does not have" in refused.stderr
