import json
import logging
import sys
from unittest.mock import MagicMock

import pytest
from azure.ai.ml import MLClient

from kfp_azureml.azureml.workspace import quiet_sdk, studio_url, workspace_client
from kfp_azureml.azureml.workspace_config import configured_workspace
from kfp_azureml.runtime.errors import CredentialsError, WorkspaceError


@pytest.fixture(autouse=True)
def service_principal(monkeypatch):
    for key in ("AZ_CLIENT_ID", "AZ_CLIENT_SECRET"):
        monkeypatch.setenv(key, "x")
    monkeypatch.setenv("AZ_TENANT_ID", "11111111-1111-1111-1111-111111111111")
    monkeypatch.setenv("AZ_SUBSCRIPTION_ID", "sub")


@pytest.mark.parametrize(
    ("names", "missing"), [(("rg", ""), "workspace is missing"), (("", "ws"), "resource_group is missing")]
)
def test_half_a_name_is_refused(names, missing):
    with pytest.raises(WorkspaceError, match=missing):
        workspace_client(*names)


def test_without_names_a_config_json_is_needed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WorkspaceError, match=r"no workspace given: .*config\.json"):
        workspace_client()


CONFIG = {"subscription_id": "s", "resource_group": "g", "workspace_name": "w"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "not JSON (Expecting property name"),
        (json.dumps({"subscription_id": "s"}).encode(), "no workspace in it: expected the texts subscription_id, "),
        (json.dumps({**CONFIG, "workspace_name": 7}).encode(), "no workspace in it"),
        (json.dumps({"Scope": "/subscriptions/s"}).encode(), "no workspace in it"),
        (b"[]", "no workspace in it"),
        (b"7", "no workspace in it"),
        (b"<!DOCTYPE html><html>", "not JSON: it looks like an HTML page"),
        (b"[" * 100_000, "JSON is nested too deeply"),
        (json.dumps({**CONFIG, "x": "ü"}, ensure_ascii=False).encode("cp1252"), "not UTF-8 text (line 1)"),
    ],
)
def test_a_broken_config_json_is_refused(tmp_path, monkeypatch, content, said):
    (tmp_path / "config.json").write_bytes(content)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WorkspaceError) as refused:
        workspace_client()
    assert str(refused.value).startswith(f"{tmp_path}/config.json: {said}")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("place", ["config.json", ".azureml/config.json", "project.json", "aml_config/config.json"])
@pytest.mark.parametrize("config", [CONFIG, {"Scope": "/subscriptions/s/resourceGroups/g/providers/p/workspaces/w"}])
def test_a_config_json_is_found_and_read_as_the_sdk_would(tmp_path, monkeypatch, encoding, place, config):
    (tmp_path / place).parent.mkdir(exist_ok=True)
    if "Scope" in config:
        config = {"Scope": config["Scope"].replace("providers/p", "providers/Microsoft.MachineLearningServices")}
    (tmp_path / place).write_bytes(json.dumps(config, indent=2).replace("\n", "\r\n").encode(encoding))
    (tmp_path / "below" / "it").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "below" / "it")
    assert configured_workspace() == ("s", "g", "w")
    if encoding == "utf-8":
        sdk = MLClient.from_config(MagicMock())
        assert (sdk.subscription_id, sdk.resource_group_name, sdk.workspace_name) == ("s", "g", "w")


def test_a_missing_subscription_is_named_before_anything_is_asked(monkeypatch):
    monkeypatch.delenv("AZ_SUBSCRIPTION_ID")
    with pytest.raises(CredentialsError, match="AZ_SUBSCRIPTION_ID"):
        workspace_client("rg", "ws")


def test_a_subscription_that_is_named_needs_no_secret(monkeypatch):
    monkeypatch.delenv("AZ_SUBSCRIPTION_ID")
    asked = []
    monkeypatch.setattr("azure.ai.ml.MLClient", lambda _identity, *names, **_: asked.append(names) or MagicMock())
    workspace_client("rg", "ws", "other")
    workspace_client("rg", "ws", "another")
    assert asked == [("other", "rg", "ws"), ("another", "rg", "ws")]


@pytest.mark.parametrize("place", ["subscription_id", "resource_group", "workspace"])
@pytest.mark.parametrize(
    ("value", "said"),
    [("g\n", "ends in white space"), (" g", "begins with white"), ("'g'", "quotation marks"), ("a/b", "a slash")],
)
@pytest.mark.parametrize("source", ["given", "config.json"])
def test_a_damaged_name_is_told_before_azure_is_asked(tmp_path, monkeypatch, place, value, said, source):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("azure.ai.ml.MLClient", MagicMock(side_effect=AssertionError("a client was made")))
    names = {"subscription_id": "s", "resource_group": "g", "workspace": "w", place: value}
    if source == "config.json":
        names["workspace_name"] = names.pop("workspace")
        (tmp_path / "config.json").write_text(json.dumps(names))
        names = {}
    with pytest.raises(WorkspaceError, match=f"^{place} .*{said}"):
        workspace_client(**names)


def test_a_studio_page_is_named_so_that_no_bracket_ends_its_link():
    client = MagicMock(subscription_id="s", resource_group_name="rg(old) ü", workspace_name="ws")
    assert studio_url(client, "model/net:1/details") == (
        "https://ml.azure.com/model/net:1/details?wsid=/subscriptions/s/resourceGroups/rg%28old%29%20%C3%BC"
        "/providers/Microsoft.MachineLearningServices/workspaces/ws"
    )


def test_the_sdks_prints_are_swallowed_and_our_log_is_not(capsys, caplog):
    with quiet_sdk():
        print("dots")  # noqa: T201
        print("blank lines", file=sys.stderr)  # noqa: T201
        logging.getLogger("kfp_azureml").warning("ours")
    assert capsys.readouterr() == ("", "")
    assert caplog.messages == ["ours"]
