"""The suite as an Azure ML pipeline job, from the command line, on an Azure ML emulator that runs jobs."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from azureml_emulator import EmulatorInfo
from azureml_jobs import aml
from fashion_slice import write_fashion_slice
from kfp_azureml.models.model_folder import hash_files, read_manifest
from kfp_azureml.runtime.errors import RejectedError
from kfp_azureml.steps.names import component_names

SEED, EPOCHS = 7, 2
STEPS = (
    "aml_preflight",
    "prep",
    "train",
    "aml_live_model",
    "score",
    "quality_gate",
    "aml_register_model",
    "aml_deploy_model",
)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_fashion_slice(tmp_path_factory.mktemp("slice"))


@pytest.fixture(scope="module")
def registered(azure: EmulatorInfo) -> str:
    done = aml(azure, "components", "register")
    assert done.returncode == 0, done.stderr
    return done.stdout


def submit(azure: EmulatorInfo, images: Path, *more: str) -> subprocess.CompletedProcess[str]:
    values = {"input_data": images, "epochs": EPOCHS, "seed": SEED, "min_accuracy": 0.3, "model_name": "fashion"}
    params = [word for name, value in values.items() for word in ("--param", f"{name}={value}")]
    return aml(azure, "submit", *params, *more)


def job_name(submitted: subprocess.CompletedProcess[str]) -> str:
    match = re.match(r"Job (\S+) in experiment (\S+): (.*)\n(https://ml\.azure\.com/\S+)\n", submitted.stdout)
    assert match, submitted.stdout + submitted.stderr
    assert match[2] == "pipeline_samples"
    assert f"/runs/{match[1]}?" in match[4]
    return match[1]


@pytest.fixture(scope="module")
def finished(azure: EmulatorInfo, images: Path, registered: str) -> subprocess.CompletedProcess[str]:
    """Run registered components as a job to its end."""
    return submit(
        azure, images, "--from-registered", "--compute", "cpu-cluster", "--compute", "score=serverless", "--stream"
    )


def check_model(folder: Path) -> None:
    """Check that all files of a model exist unchanged."""
    expected = read_manifest(folder).files
    assert expected
    assert {name: each for name, each in hash_files(folder).items() if name in expected} == expected


def step_lines(text: str) -> dict[str, str]:
    """Return the last line of each step."""
    return {line.split()[0]: line for line in text.splitlines() if line.startswith("  ")}


def test_registering_again_finds_what_is_there(azure: EmulatorInfo, registered: str) -> None:
    again = aml(azure, "components", "register")
    assert again.stdout == registered.replace(" registered", " found")
    assert len(again.stdout.splitlines()) == len(component_names())


def test_other_content_under_the_same_version_is_refused(azure: EmulatorInfo, registered: str) -> None:
    refused = aml(azure, "components", "register", "--tag", "other")
    assert refused.returncode == 1
    assert refused.stderr.startswith("kfp-azureml: component aml_deploy_model, version 0.1.0, is registered with other")
    assert len(refused.stderr.splitlines()) == 1


def test_components_are_listed_and_the_highest_version_is_found(azure: EmulatorInfo, registered: str) -> None:
    for version in ("0.10.0", "0.9.0"):
        done = aml(azure, "components", "register", "--version", version, "--tag", version)
        assert done.returncode == 0, done.stderr
    listed = aml(azure, "components", "list").stdout.splitlines()
    assert "train:0.10.0  Train Image Classification Keras" in listed
    assert listed.count("  also 0.9.0, 0.1.0") == len(component_names())
    assert aml(azure, "components", "get", "train").stdout.startswith("train, version 0.10.0: Train Image")
    older = aml(azure, "components", "get", "train:0.1.0").stdout
    assert re.search(r"^ *epochs +integer = 10: Number of passes over the training images\.$", older, re.MULTILINE)
    missing = aml(azure, "components", "get", "train:9")
    assert (missing.returncode, missing.stderr) == (
        1, "kfp-azureml: component train has no version 9; it has 0.10.0, 0.9.0, 0.1.0\n",
    )  # fmt: skip


def test_a_compute_that_is_not_there_is_named_before_anything_is_sent(azure: EmulatorInfo, images: Path) -> None:
    refused = submit(azure, images, "--compute", "cpu-cluster", "--compute", "train=gpu-cluster")
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert refused.stderr.startswith("kfp-azureml: no compute gpu-cluster in workspace local (it has ")


def test_the_whole_pipeline_runs_registers_and_deploys(finished: subprocess.CompletedProcess[str]) -> None:
    assert finished.returncode == 0, finished.stderr + finished.stdout
    assert job_name(finished)
    lines = step_lines(finished.stdout)
    assert set(lines) == {*STEPS, "decide_accepted"}
    assert all(" succeeded " in f"{line} " for line in lines.values()), finished.stdout
    assert "accepted" in lines["quality_gate"]
    assert "name fashion, version 1" in lines["aml_register_model"]
    assert "scoring_uri https://" in lines["aml_deploy_model"]
    assert finished.stderr == ""


def test_the_accuracy_is_that_of_kfp_for_the_same_seed(
    azure: EmulatorInfo, finished: subprocess.CompletedProcess[str], images: Path, tmp_path: Path
) -> None:
    # Rejected, since it has its accuracy then and the rest takes long.
    values = {"epochs": EPOCHS, "seed": SEED, "min_accuracy": 1.0}
    params = [word for name, value in values.items() for word in ("--param", f"{name}={value}")]
    command = [str(Path(sys.executable).with_name("kfp-azureml")), "run", "--data", str(images), *params]
    done = subprocess.run([*command, "--runs", str(tmp_path)], capture_output=True, timeout=300, check=False)
    assert done.returncode == RejectedError.exit_code, done.stderr
    summary = json.loads((tmp_path / "latest" / "summary.json").read_text())
    ours = step_lines(finished.stdout)["score"].split()[-1]
    assert float(ours) == summary["accuracy"]
    assert 0.3 < float(ours) < 1


def test_outputs_are_downloaded_whole(
    azure: EmulatorInfo, finished: subprocess.CompletedProcess[str], tmp_path: Path
) -> None:
    name = job_name(finished)
    some = aml(
        azure, "download", name, "--output", "train.output_model", "--output", "score.report", "--to", str(tmp_path)
    )
    assert some.returncode == 0, some.stderr
    model = tmp_path / "train" / "output_model" / "output_model"
    check_model(model)
    assert (tmp_path / "score" / "report" / "report.html").read_text().startswith("<!")
    everything = aml(azure, "download", name, "--to", str(tmp_path / "all"))
    assert everything.returncode == 0, everything.stderr
    folders = {path.relative_to(tmp_path / "all").as_posix() for path in (tmp_path / "all").glob("*/*")}
    assert {"prep/test_data", "train/metrics", "score/output_result", "aml_deploy_model/endpoint"} <= folders
    assert len(everything.stdout.splitlines()) == len(folders)
    twice = aml(azure, "download", name, "--output", "score.report", "--to", str(tmp_path))
    assert (twice.returncode, "exists: remove it or set another folder with --to" in twice.stderr) == (1, True)
    unknown = aml(azure, "download", name, "--output", "score.nosuch", "--to", str(tmp_path))
    assert unknown.stderr.startswith("kfp-azureml: output score.nosuch does not exist")


def test_a_job_that_has_ended_is_said_so_with_its_duration(
    azure: EmulatorInfo, finished: subprocess.CompletedProcess[str]
) -> None:
    streamed = aml(azure, "stream", job_name(finished))
    assert streamed.returncode == 0, streamed.stderr
    said = re.fullmatch(r"The job had already succeeded, in (\d+) s", streamed.stdout.splitlines()[-1])
    assert said is not None, streamed.stdout
    assert int(said[1]) > 0


def test_the_registered_model_is_downloaded_and_checked(
    azure: EmulatorInfo, finished: subprocess.CompletedProcess[str], tmp_path: Path
) -> None:
    done = aml(azure, "models", "download", "fashion:1", str(tmp_path / "fashion"))
    assert done.returncode == 0, done.stderr
    assert "verified: size, sha256 as registered, " in done.stdout
    check_model(tmp_path / "fashion")
    missing = aml(azure, "models", "download", "fashion:99", str(tmp_path / "none"))
    assert (missing.returncode, missing.stdout) == (1, "")
    assert not (tmp_path / "none").exists()


def test_a_model_that_is_not_better_than_the_live_one_is_neither_registered_nor_deployed(
    azure: EmulatorInfo, finished: subprocess.CompletedProcess[str], images: Path, tmp_path: Path
) -> None:
    values = {"min_accuracy": 0, "epochs": 1, "compare_with_live": "true", "min_improvement": 0.9}
    done = submit(azure, images, *(word for pair in values.items() for word in ("--param", "=".join(map(str, pair)))),
                  "--stream")  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = step_lines(done.stdout)
    assert "name fashion, version 1" in lines["aml_live_model"]
    assert lines["quality_gate"].endswith("rejected")
    report = aml(azure, "download", job_name(done), "--output", "score.report", "--to", str(tmp_path))
    assert report.returncode == 0, report.stderr
    assert "Live model fashion:1" in (tmp_path / "score" / "report" / "report.html").read_text()
    assert {name for name, line in lines.items() if line.endswith("skipped")} == {
        "aml_register_model",
        "aml_deploy_model",
    }


def test_a_failed_step_fails_the_stream_with_its_own_error(azure: EmulatorInfo, tmp_path: Path) -> None:
    submitted = submit(azure, tmp_path / "nosuch")
    assert submitted.returncode == 0
    streamed = aml(azure, "stream", job_name(submitted))
    assert streamed.returncode == 1
    error = f"kfp-azureml: job {job_name(submitted)} failed: prep: {tmp_path}/nosuch: no such folder; "
    assert streamed.stderr.startswith(error)
    assert len(streamed.stderr.splitlines()) == 1


def test_ctrl_c_leaves_the_job_running_and_says_how_to_cancel_it(azure: EmulatorInfo, images: Path) -> None:
    name = job_name(submit(azure, images, "--param", "epochs=200"))
    command = [str(Path(sys.executable).with_name("kfp-azureml")), "aml", "stream", name]
    names = ["--resource-group", azure.resource_group, "--workspace", azure.workspace]
    with subprocess.Popen(
        [*command, *names],
        env={**os.environ, **azure.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        try:
            for line in child.stdout:
                if line.split()[:2] == ["train", "running"]:
                    break
            child.send_signal(signal.SIGINT)
            _, error = child.communicate(timeout=120)
        finally:
            child.kill()
    assert child.returncode == 130
    assert f"the job continues; to end it: kfp-azureml aml cancel {name}, or Cancel on its page: https://" in error
    cancelled = aml(azure, "cancel", name)
    assert (cancelled.returncode, cancelled.stdout) == (0, f"Job {name} cancelled\n")
    streamed = aml(azure, "stream", name)
    assert (streamed.returncode, "canceled" in streamed.stderr) == (1, True)


def test_data_is_taken_by_its_name_and_a_rejected_model_is_neither_registered_nor_deployed(
    azure: EmulatorInfo, images: Path
) -> None:
    program = (
        "import sys\n"
        "from azure.ai.ml.entities import Data\n"
        "from kfp_azureml.azureml_pipelines import connect\n"
        "data = Data(name='slice', version='1', type='uri_folder', path=sys.argv[3])\n"
        "connect(*sys.argv[1:3]).data.create_or_update(data)\n"
    )
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, azure.resource_group, azure.workspace, str(images)],
        env={**os.environ, **azure.environment},
        check=True,
        capture_output=True,
        timeout=120,
    )
    done = submit(azure, Path("azureml:slice:1"), "--param", "epochs=1", "--param", "min_accuracy=0.99", "--stream")
    assert done.returncode == 0, done.stderr
    lines = step_lines(done.stdout)
    assert " succeeded" in lines["prep"]
    assert lines["quality_gate"].endswith("rejected")
    assert {name for name, line in lines.items() if line.endswith("skipped")} == {
        "aml_register_model",
        "aml_deploy_model",
    }


def run_example(azure: EmulatorInfo, images: Path, *options: str) -> subprocess.CompletedProcess[str]:
    example = Path(__file__).parents[2] / "examples" / "azureml_pipeline.py"
    return subprocess.run(
        [
            *(sys.executable, "-W", "ignore", str(example), "--data", str(images), *options),
            *("--resource-group", azure.resource_group, "--workspace", azure.workspace),
        ],
        env={**os.environ, **azure.environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_example_does_the_whole_article(azure: EmulatorInfo, images: Path, tmp_path: Path) -> None:
    on_clusters = ("--compute", "cpu-cluster", "--train-compute", "cpu-cluster")
    done = run_example(azure, images, "--epochs", "1", *on_clusters, "--to", str(tmp_path))
    assert done.returncode == 0, done.stderr + done.stdout
    assert re.search(r"^Accuracy 0\.\d+ on the test set$", done.stdout, re.MULTILINE)
    check_model(tmp_path / "model" / "output_model")
    assert (tmp_path / "result" / "output_result" / "predict_result.csv").is_file()


def test_the_example_says_in_one_line_what_azure_refuses(azure: EmulatorInfo, images: Path) -> None:
    done = run_example(azure, images, "--compute", "nocompute")
    assert done.returncode == 1
    assert re.fullmatch(r"submitting the pipeline job: .*nocompute.*\n", done.stderr)


def test_any_kfp_pipeline_runs(azure: EmulatorInfo) -> None:
    source = Path(__file__).parents[1] / "support" / "foreign_pipeline.py"
    done = aml(azure, "submit", str(source), "--stream")
    assert done.returncode == 0, done.stderr + done.stdout
    lines = step_lines(done.stdout)
    assert lines["check"].split()[-1] == job_name(done)
    assert lines["as_text"].endswith("number 3")
    assert sorted(line.split()[1] for name, line in lines.items() if name.startswith("use")) == [
        *["skipped"] * 2, *["succeeded"] * 3,
    ]  # fmt: skip
    decided = {name: line.split()[-1] for name, line in lines.items() if name.startswith("decide_")}
    assert decided == {"decide_large": "True", "decide_small": "False", "decide_huge": "False"}
