"""Download registered models from an emulator: every kind of model, resumed, verified, with injected faults."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from azure.ai.ml.entities import Model
from azure.core.pipeline.transport import HttpTransport

from azureml_emulator import running_emulator
from azureml_emulator.test_control.client import Control
from azureml_emulator.test_control.faults import Answer, Delay, ExpireToken, Reset, Truncate
from azureml_rest import signed_in_workspace
from kfp_azureml.azureml import retries
from kfp_azureml.azureml.model_download import block_reader, partial_folder
from kfp_azureml.azureml.model_download.download_model import download_model
from kfp_azureml.components import aml_download_model
from kfp_azureml.runtime.errors import CredentialsError, InvalidNameError, ModelError, OutputError
from processes import wait_until
from step_calls import call, deploy_model, register_model
from tiny_classifier import write_tiny_model
from tiny_mlflow import COLUMNS, write_mlflow_model

BLOCK = 64 * 1024
BLOCKS = 12
NAME = "weights"
BIG = "data/big.bin"
CONTENTS = {
    BIG: os.urandom(BLOCK * (BLOCKS - 1) + 17),
    "MLmodel": b"flavors: {}\n",
    "empty": b"",
    "sub dir/ümlaut %41 #1.txt": b"odd",
}
# The command with smaller blocks, so that a small model has many.
COMMAND = (
    "from kfp_azureml.azureml.model_download import block_reader\n"
    f"block_reader.BLOCK_BYTES = {BLOCK}\n"
    "from kfp_azureml.cli import main\n"
    "main()"
)


@pytest.fixture(scope="module")
def emulator():
    here = ["--environment-python", f"plain={sys.executable}"]
    with running_emulator(arguments=["--control", "--scoring", "instant", *here]) as info:
        yield info


@pytest.fixture(scope="module")
def control(emulator):
    with Control(emulator) as one:
        yield one


@pytest.fixture(scope="module")
def azure(emulator):
    with signed_in_workspace(emulator) as one:
        yield one


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(block_reader, "BLOCK_BYTES", BLOCK)
    monkeypatch.setattr(HttpTransport, "sleep", lambda _self, seconds: time.sleep(min(seconds, 0.02)))
    monkeypatch.setattr(retries, "LONGEST_PAUSE_SECONDS", 0.02)


@pytest.fixture(autouse=True)
def fresh(request):
    """Clear the faults, and wait for the last requests of a download that broke off."""
    yield
    wait_for_threads()
    if "control" in request.fixturenames:
        request.getfixturevalue("control").clear_faults()


def wait_for_threads() -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("ThreadPoolExecutor"):
            thread.join()


def put_blob(azure: Any, path: str, content: bytes) -> None:
    store = azure.get("datastores/workspaceblobstore")["properties"]
    container = f"https://{store['accountName']}.blob.core.windows.net/{store['containerName']}"
    headers = {"x-ms-blob-type": "BlockBlob", "authorization": ""}
    signature = azure.sign_blobs()
    azure.http.put(f"{container}/{quote(path)}?{signature}", content=content, headers=headers).raise_for_status()


@pytest.fixture(scope="module")
def registered(azure):
    """Register a model of another origin: blobs at a datastore path, without any hash of ours."""
    for name, content in CONTENTS.items():
        put_blob(azure, f"models/{NAME}/{name}", content)
    put_blob(azure, f"models/{NAME}-2/other", b"not in it")
    uri = f"azureml://datastores/workspaceblobstore/paths/models/{NAME}"
    for version in ("2", "9", "10", "3"):
        azure.put(f"models/{NAME}/versions/{version}", modelUri=uri, modelType="mlflow_model")
    return NAME


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def ranges(control: Control, name: str) -> list[str]:
    """Return the ranges that were requested of a blob."""
    return [one.range for one in control.requests() if one.method == "GET" and one.target.endswith(name)]


def starts(asked: list[str]) -> list[int]:
    return sorted(int(one.removeprefix("bytes=").partition("-")[0]) for one in asked)


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def command(emulator: Any, *words: str) -> subprocess.Popen[str]:
    workspace = ["--resource-group", emulator.resource_group, "--workspace", emulator.workspace]
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, "aml", "models", "download", *words, *workspace],
        env={**os.environ, **emulator.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_part(process: subprocess.Popen[str], part: Path, size: int) -> None:
    while not (part.is_file() and part.stat().st_size >= size):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


# What is downloaded.


def test_the_highest_version_comes_whole(client, registered, tmp_path):
    done = download_model(client, registered, "", tmp_path / "new" / "to")
    assert (done.name, done.version, done.files, done.size) == (NAME, "10", 4, sum(map(len, CONTENTS.values())))
    assert contents(tmp_path / "new" / "to") == CONTENTS
    assert done.verified == "verified: size, MD5 of 4 in the storage"
    assert hidden(tmp_path / "new") == []


def test_a_version_and_a_label(client, registered, tmp_path):
    assert download_model(client, registered, "2", tmp_path / "to").version == "2"
    assert download_model(client, registered, "@latest", tmp_path / "latest").version == "3"


def test_what_is_not_there_is_one_line(client, registered, tmp_path):
    for version in ("", "99"):
        name = "unknown" if not version else registered
        with pytest.raises(ModelError, match=f"model {name}.*: not registered in workspace local$"):
            download_model(client, name, version, tmp_path / "to")
    with pytest.raises(ModelError, match=f"model {registered} label bogus: not registered in workspace local$"):
        download_model(client, registered, "@bogus", tmp_path / "to")
    with pytest.raises(InvalidNameError, match="model_version 'a/b' is not a valid name"):
        download_model(client, registered, "a/b", tmp_path / "to")


def test_our_own_model_is_verified_with_what_was_registered(client, workspace, tmp_path, scored):
    model = write_tiny_model(tmp_path / "model")
    mine = register_model(model, model_name="mine", score_result=scored, **workspace)
    downloaded = call(aml_download_model, model_name="mine", model=tmp_path / "out" / "model", **workspace)["model"]
    assert (downloaded.metadata["name"], downloaded.metadata["version"]) == ("mine", mine.version)
    assert downloaded.metadata["verified"].startswith(
        "verified: size, sha256 as registered, sha256 of 1 in model.json, MD5"
    )
    assert contents(model).items() <= contents(tmp_path / "out" / "model").items()
    # Downloaded and registered again, it is the same version; it can be deployed.
    again = register_model(tmp_path / "out" / "model", model_name="mine-again", **workspace)
    assert deploy_model("mine-again", again.version, "mine-again", **workspace).traffic


def test_a_single_file_and_an_mlflow_model_of_the_sdk(client, tmp_path):
    (tmp_path / "one.pkl").write_bytes(b"pickled")
    client.models.create_or_update(Model(name="single", version="1", path=str(tmp_path / "one.pkl")))
    download_model(client, "single", "1", tmp_path / "single")
    assert contents(tmp_path / "single") == {"one.pkl": b"pickled"}
    folder = write_mlflow_model(tmp_path / "mlflow", COLUMNS)
    client.models.create_or_update(Model(name="mlflow", version="1", type="mlflow_model", path=str(folder)))
    assert download_model(client, "mlflow", "1", tmp_path / "down").verified.startswith("verified: size, MD5 of")
    assert contents(tmp_path / "down") == contents(folder)


@pytest.fixture(scope="module")
def job(azure):
    """Run a job that writes a model to a named output and to its folder `outputs`."""
    make = "mkdir -p {0}/model && printf weights > {0}/model/w.bin && printf {1} > {0}/model/MLmodel"
    azure.put("environments/plain/versions/1", image="an/image")
    azure.put(
        "jobs/makes-a-model",
        jobType="Command",
        command=" && ".join((make.format("${{outputs.trained}}", "named"), make.format("outputs", "artifact"))),
        environmentId=f"{azure.id}/environments/plain/versions/1",
        outputs={"trained": {"jobOutputType": "uri_folder"}},
    )
    wait_until(lambda: azure.get("jobs/makes-a-model")["properties"]["status"] in ("Completed", "Failed"), 180)
    assert azure.get("jobs/makes-a-model")["properties"]["status"] == "Completed"
    return "makes-a-model"


@pytest.mark.parametrize(
    ("uri", "written"),
    [
        ("azureml://jobs/{job}/outputs/trained/paths/model", "named"),
        ("azureml://jobs/{job}/outputs/artifacts/paths/outputs/model", "artifact"),
        ("runs:/{job}/outputs/model", "artifact"),
    ],
)
def test_a_model_of_a_job_is_downloaded(client, job, tmp_path, uri, written):
    made = client.models.create_or_update(Model(name="of-a-job", path=uri.format(job=job)))
    done = download_model(client, "of-a-job", made.version, tmp_path / "to")
    assert done.verified == "verified: size, MD5 of 2 in the storage"
    assert contents(tmp_path / "to") == {"w.bin": b"weights", "MLmodel": written.encode()}


# Changed and damaged models.


def test_a_model_that_is_not_the_registered_one_is_refused(azure, client, workspace, tmp_path):
    model = write_tiny_model(tmp_path / "model", seed=9)
    register_model(model, model_name="changed", **workspace)
    uri = azure.get("models/changed/versions/1")["properties"]["modelUri"]
    put_blob(azure, f"{uri.split('/paths/')[1]}/model.onnx", b"other")
    with pytest.raises(
        ModelError, match=r"model changed version 1: model.onnx differ from the sha256 in its model.json"
    ):
        download_model(client, "changed", "1", tmp_path / "to")
    assert hidden(tmp_path) == []
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["../escaped"], "has an empty part, '.' or '..' in its path"),
        (["/etc/passwd"], "is an absolute path"),
    ],
)
def test_names_that_leave_the_folder_are_refused(azure, client, tmp_path, names, said, monkeypatch):
    from kfp_azureml.azureml.model_download import model_blobs

    put_blob(azure, "models/named/1", b"x")
    put_blob(azure, "models/named/2", b"x")
    uri = "azureml://datastores/workspaceblobstore/paths/models/named"
    azure.http.put(f"{azure.url}/models/named/versions/1", json={"properties": {"modelUri": uri}})
    real, given = model_blobs._file, iter([*names, "other"])
    monkeypatch.setattr(model_blobs, "_file", lambda blob, _name: real(blob, next(given)))
    with pytest.raises(ModelError, match="model named version 1: ") as refused:
        download_model(client, "named", "1", tmp_path / "to")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


# Targets.


def test_an_existing_folder(client, control, registered, tmp_path):
    target = tmp_path / "to"
    download_model(client, registered, "", target)
    control.clear_requests()
    assert download_model(client, registered, "", target).files == 4  # identical: nothing to do
    assert ranges(control, "big.bin") == []
    (target / "mine").write_text("keep me")
    with pytest.raises(OutputError, match="exists with other content"):
        download_model(client, registered, "", target)
    assert (target / "mine").read_text() == "keep me"
    download_model(client, registered, "", target, overwrite=True)
    assert contents(target) == CONTENTS
    assert hidden(tmp_path) == []


def test_a_folder_that_others_live_in_is_never_replaced(client, registered, tmp_path, monkeypatch):
    (tmp_path / "home" / "work").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "home" / "work")
    for folder in (Path(), tmp_path / "home", tmp_path):
        with pytest.raises(OutputError, match="name a new folder in it"):
            download_model(client, registered, "", folder, overwrite=True)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="is a file"):
        download_model(client, registered, "", tmp_path / "file", overwrite=True)


def test_a_replacement_that_was_interrupted_is_undone(client, registered, tmp_path):
    target = tmp_path / "to"
    previous = tmp_path / ".to.download" / "previous"
    previous.mkdir(parents=True)
    (previous / "mine").write_text("keep me")
    with pytest.raises(OutputError, match="exists with other content"):
        download_model(client, registered, "", target)
    assert contents(target) == {"mine": b"keep me"}


# Interruptions.


def test_killed_and_resumed(emulator, control, client, registered, tmp_path):
    target = tmp_path / "to"
    part = tmp_path / ".to.download" / "files" / BIG
    control.set_faults([Delay(path=f"*{BIG}", method="GET", seconds=0.2, times=None)])
    process = command(emulator, registered, str(target))
    wait_for_part(process, part, 2 * BLOCK)
    process.kill()
    process.communicate()
    have = part.stat().st_size
    assert 0 < have < len(CONTENTS[BIG])
    assert not target.exists()
    control.clear_faults()
    control.clear_requests()
    download_model(client, registered, "", target)
    assert contents(target) == CONTENTS
    assert starts(ranges(control, "big.bin")) == list(range(have, len(CONTENTS[BIG]), BLOCK))
    # Files are fetched in the order of their names: this one was whole.
    assert ranges(control, "MLmodel") == []
    assert hidden(tmp_path) == []


def test_terminated_leaves_a_partial_download_and_says_so(emulator, control, registered, tmp_path):
    control.set_faults([Delay(path=f"*{BIG}", method="GET", seconds=0.2, times=None)])
    process = command(emulator, registered, str(tmp_path / "to"))
    part = tmp_path / ".to.download" / "files" / BIG
    wait_for_part(process, part, BLOCK)
    process.send_signal(signal.SIGTERM)
    _, printed = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"partial download stays in {tmp_path}/.to.download, run it again to resume" in printed
    assert printed.splitlines()[-1] == "kfp-azureml: cancelled by SIGTERM"
    assert hidden(tmp_path) == [".to.download"]
    assert not (tmp_path / "to").exists()


def test_a_timeout_is_said_with_how_far_it_came(emulator, control, client, registered, tmp_path):
    control.set_faults([Delay(path=f"*{BIG}", method="GET", seconds=2, times=None)])
    with pytest.raises(ModelError, match=r"of 0.7 MB downloaded \(timeout_seconds=0.5\): run it again to resume"):
        download_model(client, registered, "", tmp_path / "to", timeout_seconds=0.5)
    assert hidden(tmp_path) == [".to.download"]


def test_a_partial_download_of_another_version_is_not_mixed(client, control, registered, tmp_path):
    control.set_faults([Answer(method="GET", path=f"*{BIG}", status=403, nth=3, times=None)])
    with pytest.raises(CredentialsError):
        download_model(client, registered, "2", tmp_path / "to")
    wait_for_threads()
    control.clear_faults()
    control.clear_requests()
    download_model(client, registered, "3", tmp_path / "to")
    assert contents(tmp_path / "to") == CONTENTS
    assert (len(ranges(control, "big.bin")), len(ranges(control, "MLmodel"))) == (BLOCKS, 1)


@pytest.mark.parametrize("changed", ["before", "during"])
def test_a_blob_that_changes_starts_again(azure, client, registered, tmp_path, monkeypatch, changed):
    new = os.urandom(len(CONTENTS[BIG]))
    put_blob(azure, "models/changing/a", b"a")
    put_blob(azure, "models/changing/big", CONTENTS[BIG])
    azure.put("models/changing/versions/1", modelUri="azureml://datastores/workspaceblobstore/paths/models/changing")
    real, blocks = partial_folder.PartialFolder.path, []

    def path(partial, name):
        """Change or break off when the third block of the file is written."""
        blocks.append(name)
        if blocks.count("big") == 6:
            if changed == "before":
                raise OSError("broken off")
            put_blob(azure, "models/changing/big", new)
        return real(partial, name)

    with monkeypatch.context() as patch:
        patch.setattr(partial_folder.PartialFolder, "path", path)
        if changed == "before":
            with pytest.raises(OutputError, match="broken off"):
                download_model(client, "changing", "", tmp_path / "to")
            put_blob(azure, "models/changing/big", new)
    with monkeypatch.context() as patch:
        if changed == "during":
            blocks.clear()
            patch.setattr(partial_folder.PartialFolder, "path", path)
        download_model(client, "changing", "", tmp_path / "to")
    assert contents(tmp_path / "to") == {"a": b"a", "big": new}


def test_two_at_once_download_once(client, control, registered, tmp_path):
    control.set_faults([Delay(path=f"*{BIG}", method="GET", seconds=0.1, times=None)])
    control.clear_requests()
    done = []
    threads = [
        threading.Thread(target=lambda: done.append(download_model(client, registered, "", tmp_path / "to")))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.files for one in done] == [4, 4, 4]
    assert contents(tmp_path / "to") == CONTENTS
    assert len(ranges(control, "big.bin")) == BLOCKS
    assert hidden(tmp_path) == []


# Faults of the storage and of the service.


@pytest.mark.parametrize(
    "fault",
    [
        Reset(method="GET", path=f"*{BIG}", nth=3, times=4),
        Reset(method="GET", path=f"*{BIG}", nth=3, times=4, after_effect=True),
        Truncate(method="GET", path=f"*{BIG}", nth=3, times=4),
        Answer(method="GET", path=f"*{BIG}", status=503, nth=3, times=6),
        Answer(method="GET", path=f"*{BIG}", status=429, headers={"Retry-After": "1"}, nth=3, times=4),
        Answer(method="GET", path=f"*{BIG}", status=403, code="AuthenticationFailed", nth=3),
        ExpireToken(method="GET", path=f"*{BIG}", nth=3, times=2),
        ExpireToken(method="GET", path="*comp=list*"),
        Answer(method="POST", path="*listSecrets", status=503),
    ],
    ids=lambda fault: f"{fault.kind} {getattr(fault, 'status', '')} {fault.path}",
)
def test_a_fault_of_the_moment_is_survived(client, control, registered, tmp_path, fault):
    control.set_faults([fault])
    control.clear_requests()
    download_model(client, registered, "", tmp_path / "to")
    assert any(one.fault for one in control.requests())
    assert contents(tmp_path / "to") == CONTENTS


def test_a_redirect_to_another_address_is_followed(client, control, azure, registered, tmp_path):
    store = azure.get("datastores/workspaceblobstore")["properties"]
    other = f"https://{store['accountName']}.blob.core.windows.net/{store['containerName']}/models/copied"
    put_blob(azure, "models/copied", CONTENTS["MLmodel"])
    signed = {"Location": f"{other}?{azure.sign_blobs()}"}
    control.set_faults([Answer(method="GET", path="*/MLmodel", status=307, headers=signed)])
    download_model(client, registered, "", tmp_path / "to")
    assert contents(tmp_path / "to") == CONTENTS


def test_a_datastore_without_a_key_is_read_with_the_steps_identity(azure, client, control, registered, tmp_path):
    store = azure.get("datastores/workspaceblobstore")["properties"]
    azure.put(
        "datastores/keyless",
        datastoreType="AzureBlob",
        accountName=store["accountName"],
        containerName=store["containerName"],
        credentials={"credentialsType": "None"},
    )
    azure.put("models/keyless/versions/1", modelUri=f"azureml://datastores/keyless/paths/models/{NAME}")
    control.set_faults([ExpireToken(method="GET", path=f"*{BIG}", nth=3)])
    download_model(client, "keyless", "1", tmp_path / "to")
    assert contents(tmp_path / "to") == CONTENTS


def test_what_lasts_is_one_line_and_keeps_what_is_there(client, control, registered, tmp_path):
    control.set_faults(
        [Answer(method="GET", path=f"*{BIG}", status=403, code="AuthorizationPermissionMismatch", times=None)]
    )
    with pytest.raises(CredentialsError, match=f"downloading model {NAME} version 10: .*Storage Blob Data") as refused:
        download_model(client, registered, "", tmp_path / "to")
    assert "\n" not in str(refused.value)
    assert hidden(tmp_path) == [".to.download"]
    control.clear_faults()
    control.clear_requests()
    download_model(client, registered, "", tmp_path / "to")
    assert ranges(control, "MLmodel") == []


def test_a_full_disk_is_one_line_and_resumes(client, registered, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda _path: SimpleNamespace(free=1000))
        with pytest.raises(OutputError, match=r"disk full \(0.7 MB needed, 0.0 MB free\); what is downloaded stays"):
            download_model(client, registered, "", tmp_path / "to")
    download_model(client, registered, "", tmp_path / "to")
    assert contents(tmp_path / "to") == CONTENTS


# From a shell.


def test_the_command_says_what_it_did(emulator, registered, tmp_path):
    process = command(emulator, f"{registered}:9", str(tmp_path / "to"))
    printed, log = process.communicate(timeout=60)
    assert process.returncode == 0, log
    verified = "verified: size, MD5 of 4 in the storage"
    assert printed == f"{tmp_path}/to: {NAME}:9, 4 files, {len(CONTENTS[BIG]) / 1e6:.1f} MB; {verified}\n"
