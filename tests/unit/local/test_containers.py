"""How containers are set up; that they run, tests/docker shows with a real engine."""

import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from kfp_azureml.images import RUN_AS_USER
from kfp_azureml.local.containers import CERTIFICATES, ContainerSettings, check_images, container_settings
from kfp_azureml.runtime.errors import PipelineError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


def settings(folder: Path, environment: dict[str, str], data: Path | None = None) -> ContainerSettings:
    return container_settings(folder, environment, [data] if data else [], folder / "events.jsonl")


def test_steps_never_run_as_root(folder: Path) -> None:
    uid, gid = settings(folder, {}).user.split(":")
    assert int(uid) == (os.getuid() or RUN_AS_USER)
    assert int(gid) == (os.getgid() if os.getuid() else RUN_AS_USER)
    for path in (folder / "outputs", folder / "events.jsonl"):
        assert path.stat().st_uid == int(uid)


def test_the_file_system_is_read_only_but_for_tmp_and_the_events(folder: Path, tmp_path: Path) -> None:
    arguments = settings(folder, {}, data=tmp_path / "images").runner_arguments()
    assert arguments["read_only"] is True
    assert list(arguments["tmpfs"]) == ["/tmp"]
    assert arguments["cap_drop"] == ["ALL"]
    assert arguments["security_opt"] == ["no-new-privileges"]
    read_only = {mount["Target"]: mount["ReadOnly"] for mount in arguments["mounts"]}
    assert read_only == {str(folder / "events.jsonl"): False, str(tmp_path / "images"): True}


def test_certificates_are_those_of_the_local_azure_ml_and_readable(folder: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("certificates")
    bundle.chmod(0o600)
    made = settings(folder, dict.fromkeys(CERTIFICATES, str(bundle)))
    there = made.environment["SSL_CERT_FILE"]
    assert {made.environment[name] for name in CERTIFICATES} == {there}
    here = Path(made.mounts[there])
    assert here.read_text() == "certificates"
    assert here.stat().st_mode & 0o777 == 0o644
    assert there not in made.writable


def test_nothing_of_the_callers_environment_comes_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOMETHING_PRIVATE", "1")
    assert "SOMETHING_PRIVATE" not in settings(folder, {"AZ_CLIENT_ID": "c"}).environment


def test_settings_survive_their_way_to_the_other_process(folder: Path) -> None:
    made = settings(folder, {"AZ_CLIENT_ID": "c"})
    read = ContainerSettings(**json.loads(json.dumps(asdict(made))))
    assert read.runner_arguments() == made.runner_arguments()


def test_no_engine_is_said_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")
    compiled = tmp_path / "pipeline.yaml"
    compiled.write_text(yaml.safe_dump({"deploymentSpec": {"executors": {}}}))
    with pytest.raises(PipelineError, match="no Docker engine responds at unix://"):
        check_images(compiled)
