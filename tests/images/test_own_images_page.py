"""docs/own-images.md: each of its commands runs, on the emoji set; tests/docker runs those with containers."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from azureml_jobs import emulator_with_images
from kfp_azureml.azureml.workspace import workspace_client
from own_images_page import PAGE, command_with, page_commands, project_folder
from processes import processes_of

CLASSES = {"animal", "clothing", "face", "food", "vehicle"}
REGISTRY = "myregistry.azurecr.io/kfp-azureml"
RUN_SECONDS = 600


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder like the project's, in which the pictures are downloaded as the page does."""
    folder = project_folder(tmp_path_factory.mktemp("page") / "project")
    told = shell(command_with("emoji_images.py"), folder)
    assert told.stdout in PAGE.read_text()
    return folder


def shell(command: str, folder: Path, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command of the page."""
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_each_command_is_one_of_those_that_run() -> None:
    run_here = ["emoji_images.py", " --keep", "curl ", "own_images.py", "zipfile", "az ml data create", "aml submit"]
    run_in_tests_docker = ["make images", "--docker"]
    assert sorted(map(command_with, [*run_here, *run_in_tests_docker])) == sorted(page_commands())


def test_from_a_folder_to_the_answer_for_a_posted_picture(project: Path) -> None:
    run = subprocess.Popen(
        ["bash", "-c", f"exec {command_with(' --keep')}"], cwd=project, stdout=subprocess.PIPE, text=True
    )
    assert run.stdout is not None
    try:
        told = ""
        while "curl --config" not in told:
            line = run.stdout.readline()
            assert line, told
            told += line
        answer = json.loads(shell(command_with("curl "), project).stdout)
    finally:
        run.send_signal(signal.SIGINT)
        assert run.wait(300) == 0
    assert answer["predictions"][0]["label"] in CLASSES
    assert len(answer["probabilities"][0]) == len(CLASSES)
    accuracy = re.search(r"^Accuracy (0\.\d+) on the test set", told, re.MULTILINE)
    assert accuracy
    assert float(accuracy[1]) >= 0.7
    pages = re.findall(r"`runs/latest/(\w+\.html)`", PAGE.read_text())
    assert pages == ["data.html", "training.html", "score.html"]
    for name in pages:
        assert (project / "runs" / "latest" / name).read_text().startswith("<!doctype html>")
        assert f"/{name}\n" in told
    assert processes_of(project) == []


def test_the_same_from_python(project: Path) -> None:
    told = shell(command_with("own_images.py", brief=True), project).stdout
    posted = re.findall(r"^emoji/test/\w+/(\w+)\.png: (\w+), probability [01]\.\d\d$", told, re.MULTILINE)
    assert [name for name, _ in posted] == ["fox_face_apple", "taco_google"]
    assert {label for _, label in posted} <= CLASSES


def test_what_ends_the_run_ends_the_script(project: Path) -> None:
    command = command_with("own_images.py", brief=True).replace("image_size=64", "image_size=large")
    with pytest.raises(AssertionError, match=r"kfp-azureml: prep: image_size is 'large'; expected HEIGHTxWIDTH"):
        shell(command, project)


def test_as_a_job_on_azure_ml(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from azure.ai.ml.entities import Data

    shell(command_with("zipfile"), project)
    with emulator_with_images() as azure:
        for name, value in azure.environment.items():
            monkeypatch.setenv(name, value)
        # The Azure CLI does this, too, with the same SDK.
        words = shlex.split(command_with("az ml data create"))[4:]
        given = {name.removeprefix("--"): value for name, value in zip(words[::2], words[1::2], strict=True)}
        given["path"] = str(project / given["path"])
        workspace_client(azure.resource_group, azure.workspace).data.create_or_update(Data(**given))

        # The emulator has the images' interpreter under their own name.
        command = command_with("aml submit", brief=True).replace(f"--registry {REGISTRY} ", "")
        names = f" --resource-group {azure.resource_group} --workspace {azure.workspace}"
        told = shell(command + names, project).stdout
    assert "name emoji, version 1" in told
    assert re.search(r"^  aml_deploy_model +succeeded .*scoring_uri https://emoji-", told, re.MULTILINE), told
