"""Code and models are run only as they were registered."""

from __future__ import annotations

from pathlib import Path

import pytest
from azure.ai.ml._utils._asset_utils import get_content_hash

from azureml_emulator.arm.errors import ArmError
from azureml_emulator.storage import asset_integrity
from emulator_app import App
from endpoint_requests import wait_for

pytestmark = pytest.mark.anyio

CODE = "https://account.blob.core.windows.net/code-1/src"
MODEL = "azureml://datastores/workspaceblobstore/paths/m/model"
FILES = {"score.py": "print(1)\n", "Lib/b.py": "b = 1\n", "lib/a.py": "a = 1\n", "lib/empty.txt": "", "Z.txt": "z"}


def lay_out(folder: Path) -> Path:
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def test_the_hash_is_the_sdks(tmp_path: Path) -> None:
    folder = lay_out(tmp_path / "src")

    assert asset_integrity.content_hash(folder) == get_content_hash(folder)
    assert asset_integrity.content_hash(folder / "score.py") == get_content_hash(folder / "score.py")


async def register_code(app: App, **properties: object) -> str:
    for name, content in FILES.items():
        app.blobs.put(f"{CODE}/{name}", content)
    body = {"properties": {"codeUri": CODE, "properties": properties}}
    return str((await app.arm.put("codes/c/versions/1", json=body)).raise_for_status().json()["id"])


async def fetch(app: App, asset_id: str, uri: str, folder: Path) -> Path:
    asset = app.context.store.get(asset_id)
    assert asset
    return await asset_integrity.fetch(app.context.store, app.blobs, asset, uri, folder)


def change(app: App, how: str) -> None:
    name = {"changed": "score.py", "added": "new.py", "changed to as much": "score.py", "removed": "Z.txt"}[how]
    if how == "removed":
        del app.blobs.contents["code-1"][f"src/{name}"]
    else:
        app.blobs.put(f"{CODE}/{name}", "print(2)\n" if how == "changed to as much" else "import mallory\n")


@pytest.mark.parametrize("with_hash", [True, False])
@pytest.mark.parametrize("how", ["changed", "changed to as much", "added", "removed"])
async def test_changed_code_is_refused(app: App, tmp_path: Path, with_hash: bool, how: str) -> None:
    folder = lay_out(tmp_path / "src")
    hashes = {"hash_sha256": get_content_hash(folder), "hash_version": 202208} if with_hash else {}
    code = await register_code(app, **hashes)
    assert (await fetch(app, code, CODE, tmp_path / "before")).is_dir()

    change(app, how)

    with pytest.raises(ArmError, match=r"the files of codes c:1 at .* were changed after registration"):
        await fetch(app, code, CODE, tmp_path / "after")


async def test_a_hash_cannot_be_removed_or_replaced_later(app: App, tmp_path: Path) -> None:
    folder = lay_out(tmp_path / "src")
    registered = {"hash_sha256": get_content_hash(folder), "hash_version": "202208"}
    code = await register_code(app, **registered)
    assert app.context.store.get_fingerprint(code) is None
    change(app, "changed")
    (folder / "score.py").write_text("import mallory\n")

    for properties in ({}, {**registered, "hash_sha256": get_content_hash(folder)}, {"hash_version": "1"}):
        body = {"properties": {"codeUri": CODE, "properties": {**properties, "a": "b"}}}
        answer = (await app.arm.put("codes/c/versions/1", json=body)).raise_for_status().json()
        assert answer["properties"]["properties"] == {"a": "b", **registered}
        with pytest.raises(ArmError, match="AssetChanged"):
            await fetch(app, code, CODE, tmp_path / "after")


async def test_code_that_was_changed_before_its_registration_is_refused(app: App, tmp_path: Path) -> None:
    mine = lay_out(tmp_path / "src")
    (mine / "score.py").write_text("print('what I wrote')\n")
    # What is in the blob store by now is something else.
    code = await register_code(app, hash_sha256=get_content_hash(mine), hash_version=202208)

    with pytest.raises(ArmError, match="AssetChanged"):
        await fetch(app, code, CODE, tmp_path / "after")


async def test_a_changed_model_fails_the_deployment_and_is_not_run(app: App) -> None:
    app.blobs.put(f"{MODEL}/model.pkl", "good")
    await register_code(app)
    put = app.arm.put
    await put("models/m/versions/1", json={"properties": {"modelUri": MODEL}})
    environment = {"image": "i", "condaFile": "dependencies: [python, pip]"}
    await put("environments/e/versions/1", json={"properties": environment})
    endpoint = await put("onlineEndpoints/digits", json={"location": "eastus", "properties": {"authMode": "Key"}})
    await wait_for(app, endpoint)
    app.blobs.put(f"{MODEL}/model.pkl", "evil")

    workspace = app.context.settings.workspace_id
    deployment = {
        "codeConfiguration": {"codeId": f"{workspace}/codes/c/versions/1", "scoringScript": "score.py"},
        "environmentId": f"{workspace}/environments/e/versions/1",
        "model": f"{workspace}/models/m/versions/1",
        "endpointComputeType": "Managed",
    }
    body = {"location": "eastus", "properties": deployment, "sku": {"name": "Default", "capacity": 1}}
    started = await put("onlineEndpoints/digits/deployments/blue", json=body)
    await wait_for(app, started)

    shown = (await app.arm.get(started.headers["azure-asyncoperation"])).json()
    assert shown["status"] == "Failed"
    assert "the files of models m:1" in shown["error"]["message"]
    assert list((app.context.settings.state_dir / "deployments").rglob("model.pkl")) == []


async def test_the_fingerprint_of_a_deleted_version_is_not_that_of_the_next(app: App, tmp_path: Path) -> None:
    code = await register_code(app)
    await app.arm.delete("codes/c")
    app.blobs.put(f"{CODE}/score.py", "print(3)\n")
    await app.arm.put("codes/c/versions/1", json={"properties": {"codeUri": CODE}})

    assert (await fetch(app, code, CODE, tmp_path / "new") / "score.py").read_text() == "print(3)\n"
