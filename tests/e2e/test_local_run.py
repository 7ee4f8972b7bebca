"""`kfp-azureml run` on a slice of the real data, to a live endpoint and to every other end."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from fashion_slice import write_fashion_slice
from processes import processes_of, wait_until

COMMAND = [str(Path(sys.executable).with_name("kfp-azureml")), "run"]
BRIEF = ["--param", "epochs=1", "--param", "batch_size=64"]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_fashion_slice(tmp_path_factory.mktemp("slice"))


def start(runs: Path, images: Path, *options: str) -> subprocess.Popen[str]:
    command = [*COMMAND, "--runs", str(runs), "--data", str(images), *BRIEF, *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def summary(runs: Path) -> dict:
    return json.loads((runs / "latest" / "summary.json").read_text())


def test_from_images_to_a_live_endpoint(tmp_path: Path, images: Path) -> None:
    run = start(tmp_path, images, "--param", "min_accuracy=0.3", "--keep")
    curl = next(line for line in run.stdout if "curl --config" in line).strip()
    answer = subprocess.run(curl.split(), capture_output=True, text=True, check=True)
    sample = json.loads(next((tmp_path / "latest" / "outputs").rglob("sample.json")).read_text())
    assert json.loads(answer.stdout)["predictions"][0]["index"] == sample["predicted"][0]
    image = tmp_path / "latest" / "sample.png"
    assert curl.endswith(f" --data-binary @{image.resolve()}")
    assert image.read_bytes().startswith(b"\x89PNG")

    assert summary(tmp_path)["state"] == "succeeded"
    config = (tmp_path / "latest" / "endpoint.curl").read_text()
    assert oct((tmp_path / "latest" / "endpoint.curl").stat().st_mode).endswith("600")
    run.send_signal(signal.SIGINT)
    assert run.wait(300) == 0
    assert processes_of(tmp_path) == []
    assert not (tmp_path / "latest" / "endpoint.curl").exists()
    port = int(config.split('proxy = "http://127.0.0.1:')[1].split('"')[0])
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0

    # Real files: a browser uses the name of a link's target.
    for page in ("training.html", "score.html"):
        assert not (tmp_path / "latest" / page).is_symlink()
        assert (tmp_path / "latest" / page).read_text().startswith("<!doctype html>")
    told = summary(tmp_path)
    assert told["state"] == "succeeded"
    assert told["accuracy"] >= 0.3
    assert (told["model"]["name"], told["model"]["version"]) == ("image-classifier", "1")
    deployment = told["endpoint"]["deployment"]
    assert told["endpoint"]["traffic"] == {deployment: 100}
    assert told["live_check"] == {"requests": 100, "agreed": 100}
    steps = [
        "aml_preflight",
        "aml_live_model",
        "prep",
        "train",
        "score",
        "quality_gate",
        "aml_register_model",
        "aml_deploy_model",
    ]
    steps.append("aml_reconcile")
    names = [step["name"] for step in told["steps"]]
    # kfp orders steps that do not depend on each other by chance.
    assert sorted(names) == sorted(steps)
    assert [name for name in names if name != "aml_live_model"] == [name for name in steps if name != "aml_live_model"]
    for step in told["steps"]:
        assert step["state"] == "succeeded"
        assert step["user_cpu_seconds"] > 0
        assert step["peak_rss_bytes"] > 0

    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    key = config.split("Bearer ")[1].split('"')[0]
    written = everything.replace((tmp_path / "latest" / "azureml" / "state.sqlite").read_bytes(), b"")
    assert key.encode() not in written


def test_a_rejected_model_is_neither_registered_nor_deployed(tmp_path: Path, images: Path) -> None:
    run = start(tmp_path, images, "--param", "min_accuracy=1.0")
    output, errors = run.communicate(timeout=240)
    assert run.returncode == 3
    assert errors.splitlines()[-1].startswith("kfp-azureml: Rejected: accuracy 0.")
    assert errors.splitlines()[-1].endswith(" or lower the minimum or min_improvement")
    for page in ("training.html", "score.html"):
        path = (tmp_path / "latest").resolve() / page
        assert f"Page     {path}" in output.splitlines()
        assert path.read_text().startswith("<!doctype html>")
    told = summary(tmp_path)
    assert (told["state"], told["model"], told["endpoint"]) == ("rejected", None, None)
    assert [step["name"] for step in told["steps"]][-2:] == ["quality_gate", "aml_reconcile"]
    assert processes_of(tmp_path) == []


def test_a_failing_step_has_the_last_word(tmp_path: Path, images: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in images.iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    with (broken / "t10k-labels-idx1-ubyte").open("r+b") as labels:
        labels.truncate(200)
    run = start(tmp_path / "runs", broken)
    output, errors = run.communicate(timeout=240)
    assert run.returncode == 1
    (error,) = errors.splitlines()
    assert error.startswith("kfp-azureml: prep: ")
    assert "t10k-labels-idx1-ubyte" in error
    assert "Traceback" not in output
    told = summary(tmp_path / "runs")
    assert told["state"] == "failed"
    # kfp may run aml_live_model before prep.
    states = [(step["name"], step["state"]) for step in told["steps"] if step["name"] != "aml_live_model"]
    assert states[1:] == [("prep", "failed"), ("aml_reconcile", "succeeded")]
    assert error.endswith(told["error"])
    assert not list((tmp_path / "runs").rglob("training_data"))
    assert processes_of(tmp_path) == []


@pytest.mark.parametrize("step", ["train", "aml_deploy_model"])
def test_ctrl_c_in_a_step_leaves_nothing_behind(tmp_path: Path, images: Path, step: str) -> None:
    run = start(tmp_path, images, "--param", "min_accuracy=0.3", "--param", "epochs=2")
    events = tmp_path / "latest" / "events.jsonl"
    wait_until(lambda: events.exists() and f'"step": "{step}", "event": "progress"' in events.read_text(), 240)
    os.kill(run.pid, signal.SIGINT)
    _, errors = run.communicate(timeout=180)
    assert run.returncode == 130
    assert errors.splitlines()[-1] == "kfp-azureml: cancelled by SIGINT"
    assert processes_of(tmp_path) == []
    assert not list(tmp_path.rglob("*.part"))
    told = summary(tmp_path)
    assert (told["state"], told["steps"][-1]["state"]) == ("cancelled", "cancelled")
