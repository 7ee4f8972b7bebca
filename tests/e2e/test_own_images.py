"""Pictures of all kinds in two folders, from prep to a trained and scored model."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from azure.ai.ml import MLClient
from azure.ai.ml.entities import Data
from PIL import Image

from kfp_azureml.imagesets.preprocessing import Preprocessing, decode
from kfp_azureml.imagesets.reader import open_image_set
from kfp_azureml.models.model_folder import read_manifest
from kfp_azureml.steps.score.score import score_model
from pictures import encoded, write_picture
from step_calls import prep_data, train_model

KINDS = (("PNG", "RGB"), ("JPEG", "RGB"), ("JPEG", "L"), ("PNG", "RGBA"), ("GIF", "P"), ("WEBP", "RGB"))
DIRT = {"cat/.DS_Store": b"\0", "cat/notes.txt": b"text", "dog/empty.jpg": b"", "dog/Thumbs.db": b"\0"}


def write_mixed_pictures(folder: Path, per_class: int = 30) -> Path:
    """Write pictures of all formats, modes and sizes: cats are bright above, dogs below; and dirt among them."""
    random = np.random.default_rng(3)
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for index in range(per_class):
            height, width = random.integers(24, 90, 2)
            values = random.integers(0, 60, (height, width, 3), dtype=np.uint8)
            half = slice(0, height // 2) if name == "cat" else slice(height // 2, None)
            values[half] += 180
            kind, mode = KINDS[index % len(KINDS)]
            ending = kind.upper() if index % 2 else kind.lower()
            (folder / name / f"{index}.{ending}").write_bytes(encoded(Image.fromarray(values).convert(mode), kind))
    for name, data in DIRT.items():
        (folder / name).write_bytes(data)
    return folder


def test_mixed_pictures_become_a_scored_model(tmp_path: Path) -> None:
    photos = write_mixed_pictures(tmp_path / "photos")
    sets = tmp_path / "training", tmp_path / "test"
    prepared = prep_data(
        str(photos), *sets, image_size="32x24", on_bad_image="skip", output_report=tmp_path / "report.html"
    )
    assert prepared.training_images + prepared.test_images == 60
    assert (prepared.image_shape, prepared.skipped_images) == ((32, 24, 3), 2)
    page = (tmp_path / "report.html").read_text()
    assert "cat/notes.txt" in page
    assert "dog/empty.jpg" in page

    train_model(sets[0], tmp_path / "model", epochs=6, batch_size=8)
    manifest = read_manifest(tmp_path / "model")
    assert (manifest.input.shape[1:], manifest.classes) == ((32, 24, 3), ("cat", "dog"))
    assert manifest.encoded_images == Preprocessing(32, 24, 3, "pad")
    assert score_model(sets[1], tmp_path / "model", tmp_path / "result", output_report=None).accuracy >= 0.9


def test_300_classes_become_a_scored_model(tmp_path: Path) -> None:
    for subset in ("train", "test"):
        for number in range(300):
            write_picture(tmp_path / "photos" / subset / str(number) / "1.png", number)
    sets = tmp_path / "training", tmp_path / "test"
    prep_data(str(tmp_path / "photos"), *sets)
    train_model(sets[0], tmp_path / "model", epochs=1, validation_fraction=0.0)
    result = score_model(sets[1], tmp_path / "model", tmp_path / "result", output_report=tmp_path / "score.html")
    assert result.images == sum(one.images for one in result.class_metrics) == 300
    labels = open_image_set(sets[1]).read_labels()
    assert sorted(labels) == list(range(300))
    written = (tmp_path / "result" / "predict_result.csv").read_text().split()
    assert len({float(line) for line in written}) <= 300


def test_the_pipeline_takes_a_folder_of_pictures_to_an_endpoint_that_takes_a_jpeg(tmp_path: Path) -> None:
    photos = write_mixed_pictures(tmp_path / "photos")
    command = [str(Path(sys.executable).with_name("kfp-azureml")), "run", "--runs", str(tmp_path / "runs"), "--keep"]
    command += ["--data", str(photos), "--param", "image_size=32", "--param", "on_bad_image=skip"]
    command += ["--param", "epochs=4", "--param", "batch_size=8", "--param", "min_accuracy=0.5"]
    latest = tmp_path / "runs" / "latest"
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert run.stdout
    try:
        lines: list[str] = []
        while not lines or "curl --config" not in lines[-1]:
            line = run.stdout.readline()
            assert line, "".join(lines)
            lines.append(line)
        png = subprocess.run(lines[-1].split(), capture_output=True, text=True, check=True).stdout
        sample = json.loads(next((latest / "outputs").rglob("sample.json")).read_text())
        assert json.loads(png)["predictions"][0]["index"] == sample["predicted"][0]

        jpeg = photos / "dog" / "1.JPEG"
        posted = ["curl", "--config", str(latest / "endpoint.curl"), "--data-binary", f"@{jpeg}"]
        answer = subprocess.run(posted, capture_output=True, text=True, check=True).stdout
        pixels = np.frombuffer(decode(jpeg.read_bytes(), Preprocessing(32, 32, 3, "pad")), np.uint8)
        model = next((latest / "outputs").rglob("model.onnx"))
        expected = onnxruntime.InferenceSession(model).run(None, {"image": pixels.reshape(1, 32, 32, 3)})[0]
        np.testing.assert_allclose(json.loads(answer)["probabilities"], expected, atol=1e-5)

        both = [*posted[:3], "--form", f"images=@{jpeg}", "--form", f"images=@{latest / 'sample.png'}"]
        answer = subprocess.run(both, capture_output=True, text=True, check=True).stdout
        found = json.loads(answer)["probabilities"]
        np.testing.assert_allclose(found, [*expected, *json.loads(png)["probabilities"]], atol=1e-5)
    finally:
        run.send_signal(signal.SIGINT)
        assert run.wait(300) == 0
    assert json.loads((latest / "summary.json").read_text())["state"] == "succeeded"
    assert (latest / "data.html").read_text().startswith("<!doctype html>")


def test_images_in_azure_ml_by_folder_archive_and_json_lines(
    tmp_path: Path, workspace: dict[str, str], client: MLClient
) -> None:
    photos = write_mixed_pictures(tmp_path / "photos")
    for name in DIRT:
        (photos / name).unlink()
    shutil.make_archive(str(tmp_path / "archive" / "photos"), "zip", photos)
    folder = client.data.create_or_update(Data(name="photos", version="1", type="uri_folder", path=str(photos)))
    packed = client.data.create_or_update(
        Data(name="packed", version="1", type="uri_file", path=str(tmp_path / "archive" / "photos.zip"))
    )
    rows = [
        {"image_url": f"{folder.path.rstrip('/')}/{label}/{path.name}", "label": label}
        for label in ("cat", "dog")
        for path in (photos / label).iterdir()
    ]
    (tmp_path / "table").mkdir()
    (tmp_path / "table" / "annotations.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    document = "paths:\n- file: ./annotations.jsonl\ntransformations:\n- read_json_lines: {encoding: utf8}\n"
    (tmp_path / "table" / "MLTable").write_text(document)
    table = client.data.create_or_update(Data(name="table", version="1", type="mltable", path=str(tmp_path / "table")))
    assert folder.path.startswith("azureml://")
    labels = []
    for asset in (folder, packed, table):
        # A process of its own: adlfs reads the CA certificates when it is imported.
        command = [str(Path(sys.executable).with_name("kfp-azureml")), "step", "prep", "--image-size", "16"]
        command += ["--input-data", f"azureml:{asset.name}:1", "--outputs", str(tmp_path / asset.name)]
        command += ["--resource-group", workspace["resource_group"], "--workspace", workspace["workspace"]]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        sets = [open_image_set(tmp_path / asset.name / name) for name in ("training_data", "test_data")]
        assert sum(each.info.count for each in sets) == 60
        assert sets[0].info.classes == ("cat", "dog")
        labels.append(sets[0].read_labels().tolist())
    assert labels[0] == labels[1]
