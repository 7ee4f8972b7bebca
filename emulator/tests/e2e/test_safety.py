"""Protection from other users: ports, files, secrets that change at each start."""

from __future__ import annotations

import stat
from pathlib import Path

import psutil
import pytest

from azureml_emulator import EmulatorInfo, running_emulator
from azureml_rest import SCORING_PACKAGE, Workspace, conda_file, signed_in_workspace


def test_it_listens_on_this_machine_only(emulator: EmulatorInfo) -> None:
    process = psutil.Process(emulator.pid)

    listening = [
        connection.laddr.ip
        for each in (process, *process.children(recursive=True))
        for connection in each.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]

    # The proxy, the web app, Azurite.
    assert len(listening) >= 3
    assert set(listening) == {"127.0.0.1"}


def test_secrets_are_new_at_each_start_and_private(tmp_path: Path) -> None:
    def secrets(emulator: EmulatorInfo, workspace: Workspace) -> dict[str, str]:
        certificates = Path(emulator.ca_file).parent
        return {
            "client secret": emulator.environment["AZ_CLIENT_SECRET"],
            "storage key": workspace.post("listStorageAccountKeys")["userStorageKey"],
            "token": workspace.http.headers["authorization"],
            **{path.name: path.read_text() for path in certificates.iterdir()},
        }

    with running_emulator(tmp_path) as emulator, signed_in_workspace(emulator) as workspace:
        first = secrets(emulator, workspace)
    with running_emulator(tmp_path) as emulator, signed_in_workspace(emulator) as workspace:
        second = secrets(emulator, workspace)
        workspace.http.headers["authorization"] = first["token"]
        assert workspace.http.get(workspace.url).status_code == 401
        assert workspace.sign_in(client_secret=first["client secret"]).status_code == 401
        running = list(modes(tmp_path))

    assert [name for name in first if first[name] == second[name]] == []
    assert set(first) >= {"ca.pem", "server.key", "server.pem"}
    assert others_can(running) == others_can(list(modes(tmp_path))) == []


def test_no_child_of_it_sees_what_is_its_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "canary-5b21")
    with running_emulator() as emulator:
        children = psutil.Process(emulator.pid).children(recursive=True)

        # The crash cleanup, Azurite and its watchdog.
        assert len(children) == 3
        assert [child.cmdline() for child in children if "SOME_TOKEN" in child.environ()] == []


def test_changed_code_is_not_served_after_a_restart(tmp_path: Path) -> None:
    state, witness = tmp_path / "state", tmp_path / "witness"
    script = "def init():\n    pass\n\n\ndef run(data):\n    return data\n"
    with running_emulator(state) as emulator, signed_in_workspace(emulator) as workspace:
        workspace.wait(workspace.put("onlineEndpoints/digits", authMode="Key"))
        uri = workspace.upload_code("echo", script)
        workspace.put("environments/serving/versions/1", image="an/image", condaFile=conda_file(SCORING_PACKAGE))
        assert workspace.wait(workspace.deploy("blue", "echo", "serving"))["status"] == "Succeeded"
        token = workspace.sign_in(scope="https://storage.azure.com/.default").json()["access_token"]
        headers = {"authorization": f"Bearer {token}", "x-ms-blob-type": "BlockBlob", "x-ms-version": "2025-11-05"}
        evil = f"open({str(witness)!r}, 'w')\n{script}"
        workspace.http.put(f"{uri}/score.py", content=evil, headers=headers).raise_for_status()

    with running_emulator(state) as emulator, signed_in_workspace(emulator) as workspace:
        deployment = workspace.get("onlineEndpoints/digits/deployments/blue")
        assert deployment["properties"]["provisioningState"] == "Failed"
        assert workspace.ask("blue", {}).status_code == 503
        again = workspace.wait(workspace.deploy("blue", "echo", "serving"))
        assert "the files of codes echo:1" in again["error"]["message"]
    assert not witness.exists()


def modes(folder: Path) -> list[tuple[Path, int]]:
    """The mode of every file and folder below one."""
    return [(path, stat.S_IMODE(path.lstat().st_mode)) for path in folder.rglob("*")]


def others_can(found: list[tuple[Path, int]]) -> list[Path]:
    """What somebody else than the owner can read, write or enter."""
    assert found
    return [path for path, mode in found if mode & 0o077]
