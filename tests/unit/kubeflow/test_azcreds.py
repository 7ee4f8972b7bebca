"""`kfp-azureml azcreds`, against a double of the Kubernetes API."""

import json
import os
import socket
import sys
from base64 import b64encode
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from kfp_azureml.azcreds import KEYS
from kfp_azureml.engines import kubeconfig
from kfp_azureml.kubeflow.secret_command import azcreds_command
from kfp_azureml.kubeflow.secret_values import SecretValues, read_values
from kfp_azureml.runtime.errors import CredentialsError, KfpAzuremlError, KubeflowError
from kubernetes_api import KubernetesApi, write_kubeconfig

IDS = {key: f"{number:08d}-0000-4000-8000-000000000000" for number, key in enumerate(KEYS[:3], start=1)}
PASSWORD = "s3cr3t~of=the.principal'\""
VALUES = {**IDS, "AZ_CLIENT_SECRET": PASSWORD}
OLD = b64encode(b"old").decode()


def azcreds(*arguments: str, environ: dict[str, str] | None = None) -> Result:
    """Run the command; an error of ours is raised."""
    result = CliRunner().invoke(azcreds_command, arguments, env=VALUES if environ is None else environ)
    if isinstance(result.exception, KfpAzuremlError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def keep(cluster: KubernetesApi, namespace: str = "kubeflow", **data: str) -> None:
    """Put a secret into the cluster that somebody else made."""
    metadata = {"name": "azcreds", "labels": {"team": "a"}, "annotations": {"owner": "ada"}}
    cluster.keep(namespace, {"kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data})


def test_the_secret_is_made(cluster: KubernetesApi) -> None:
    result = azcreds()
    assert result.stdout == "Secret azcreds in namespace kubeflow created\n"
    assert cluster.values("kubeflow") == VALUES
    secret = cluster.secrets["kubeflow", "azcreds"]
    assert secret["type"] == "Opaque"
    assert secret["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "kfp-azureml"}


def test_a_secret_that_is_there_keeps_what_is_not_ours(cluster: KubernetesApi) -> None:
    keep(cluster, AZ_CLIENT_SECRET=OLD, OTHER=OLD)
    assert "updated" in azcreds().stdout
    assert cluster.values("kubeflow") == {**VALUES, "OTHER": "old"}
    metadata = cluster.secrets["kubeflow", "azcreds"]["metadata"]
    assert (metadata["labels"], metadata["annotations"]) == ({"team": "a"}, {"owner": "ada"})


@pytest.mark.parametrize(
    ("arguments", "namespace"),
    [(["--namespace", "team-a"], "team-a"), (["--context", "there"], "team-a"), (["--context", "here"], "kubeflow")],
)
def test_the_namespace_is_the_named_one_or_the_contexts(
    cluster: KubernetesApi, arguments: list[str], namespace: str
) -> None:
    azcreds(*arguments)
    assert list(cluster.secrets) == [(namespace, "azcreds")]


def test_somebody_elses_change_in_between_is_kept(cluster: KubernetesApi) -> None:
    keep(cluster, OTHER=OLD)
    cluster.faults["PUT"] = [409]
    azcreds()
    assert cluster.values("kubeflow") == {**VALUES, "OTHER": "old"}
    assert [request.split()[0] for request in cluster.requests] == ["GET", "PUT", "GET", "PUT"]


def test_a_secret_that_somebody_else_makes_meanwhile_is_updated(cluster: KubernetesApi) -> None:
    cluster.faults["POST"] = [409]
    azcreds()
    assert cluster.values("kubeflow") == VALUES


def test_who_never_gets_a_turn_is_told(cluster: KubernetesApi) -> None:
    keep(cluster)
    cluster.faults["PUT"] = [409] * 99
    with pytest.raises(KubeflowError, match="other clients keep changing it"):
        azcreds()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"forbidden": ("get",)}, "no permission to get secrets in namespace kubeflow"),
        ({"forbidden": ("create",)}, "no permission to create secrets in namespace kubeflow"),
        ({"namespaces": ()}, "namespace kubeflow does not exist"),
        ({"faults": {"GET": [401]}}, "not authenticated"),
        ({"faults": {"POST": [500]}}, "could not create secrets in namespace kubeflow \\(status 500\\)"),
        ({"faults": {"POST": [422]}}, "status 422"),
    ],
)
def test_a_refusal_is_one_line_and_quotes_no_secret(cluster: KubernetesApi, change: dict, said: str) -> None:
    for name, value in change.items():
        setattr(cluster, name, value)
    with pytest.raises(KubeflowError, match=said) as caught:
        azcreds()
    assert "\n" not in str(caught.value)
    for secret in (PASSWORD, b64encode(PASSWORD.encode()).decode()):
        assert secret not in str(caught.value)


def test_a_cluster_that_says_nothing_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("kfp_azureml.kubeflow.secret.REQUEST_SECONDS", (0.2, 0.2))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("KUBECONFIG", str(write_kubeconfig(tmp_path / "config", url)))
        with pytest.raises(KubeflowError, match="no response within"):
            azcreds()


@pytest.mark.parametrize(
    ("text", "said"),
    [(None, "no kubeconfig"), ("", "kubeconfig: "), ("{", "cannot be read"), ("a: [1", "cannot be read")],
)
def test_a_kubeconfig_that_does_not_lead_anywhere_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str | None, said: str
) -> None:
    if text is not None:
        (tmp_path / "config").write_text(text)
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    with pytest.raises(KubeflowError, match=said) as caught:
        azcreds()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("options", [[], ["--namespace", "team-a"], ["--dry-run"], ["--dry-run", "--namespace", "a"]])
def test_a_context_that_is_not_there_is_one_line(cluster: KubernetesApi, options: list[str]) -> None:
    with pytest.raises(KubeflowError, match=r"^kubeconfig: .*\bnowhere\b"):
        azcreds("--context", "nowhere", *options)
    assert not cluster.requests


def test_a_kubeconfig_without_a_current_context_needs_one_to_be_named(cluster: KubernetesApi) -> None:
    path = Path(os.environ["KUBECONFIG"])
    path.write_text(path.read_text().replace("current-context: here\n", ""))
    for options in ([], ["--dry-run"]):
        with pytest.raises(KubeflowError, match=r"kubeconfig: .*current-context"):
            azcreds(*options)
        azcreds("--context", "there", *options)
    assert list(cluster.secrets) == [("team-a", "azcreds")]


def test_a_dry_run_needs_a_kubeconfig_for_a_context_only() -> None:
    assert yaml.safe_load(azcreds("--dry-run").stdout)["metadata"]["namespace"] == "kubeflow"
    with pytest.raises(KubeflowError, match="no kubeconfig"):
        azcreds("--dry-run", "--context", "here")


def test_in_a_pod_the_namespace_is_the_pods(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "namespace").write_text("team-b")
    monkeypatch.setattr(kubeconfig, "SERVICE_ACCOUNT", tmp_path)
    assert kubeconfig.choose_namespace(None, None, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}) == "team-b"


@pytest.mark.parametrize(
    ("options", "namespace"),
    [([], "kubeflow"), (["--context", "there"], "team-a"), (["--context", "there", "--namespace", "b"], "b")],
)
def test_a_dry_run_is_of_the_namespace_that_would_be_changed(
    cluster: KubernetesApi, options: list[str], namespace: str
) -> None:
    assert yaml.safe_load(azcreds("--dry-run", *options).stdout)["metadata"]["namespace"] == namespace
    assert not cluster.requests


def test_a_dry_run_shows_no_value_and_asks_the_cluster_nothing(cluster: KubernetesApi) -> None:
    result = azcreds("--dry-run", "--namespace", "team-a")
    manifest = yaml.safe_load(result.stdout)
    assert (manifest["metadata"]["name"], manifest["metadata"]["namespace"]) == ("azcreds", "team-a")
    assert manifest["stringData"] == dict.fromkeys(KEYS, "<redacted>")
    assert not any(value in result.output for value in VALUES.values())
    assert not cluster.requests


def test_a_check_without_what_signs_in_says_how_to_install_it(cluster: KubernetesApi, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    with pytest.raises(CredentialsError, match=r"pip install 'kfp-azureml\[azure\]'"):
        azcreds("--check")
    assert not cluster.requests


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", "is empty"),
        (" \t", "is empty"),
        ("VALUE\n", "ends in white space: remove the white space"),
        ("VALUE\r\n", "ends in white space"),
        (" VALUE", "begins with white space"),
        ("\ufeffVALUE", "begins with a byte order mark"),
        ('"VALUE"', "is in quotation marks"),
    ],
)
def test_what_is_empty_or_has_stray_white_space_never_reaches_the_cluster(
    cluster: KubernetesApi, key: str, value: str, said: str
) -> None:
    value = value.replace("VALUE", VALUES[key])
    with pytest.raises(CredentialsError, match=f"{key} .*{said}") as caught:
        azcreds(environ={**VALUES, key: value})
    assert VALUES[key] not in str(caught.value)
    assert not cluster.requests


@pytest.mark.parametrize("key", IDS)
def test_an_id_that_is_none_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(CredentialsError, match=f"{key} is not an id such as") as caught:
        SecretValues({**VALUES, key: PASSWORD})
    assert PASSWORD not in str(caught.value)
    assert PASSWORD not in repr(SecretValues(VALUES))


def test_without_a_terminal_what_is_missing_is_named() -> None:
    with pytest.raises(CredentialsError, match="AZ_TENANT_ID, AZ_CLIENT_SECRET missing"):
        read_values(None, None, {key: VALUES[key] for key in ("AZ_SUBSCRIPTION_ID", "AZ_CLIENT_ID")})


def test_on_a_terminal_what_is_missing_is_asked_for_and_nothing_else() -> None:
    asked = []

    def ask(key: str) -> str:
        asked.append(key)
        return VALUES[key]

    given = {key: VALUES[key] for key in ("AZ_SUBSCRIPTION_ID", "AZ_CLIENT_ID")}
    assert read_values(None, ask, given).by_key == VALUES
    assert asked == ["AZ_TENANT_ID", "AZ_CLIENT_SECRET"]


LINES = "".join(f"{key}={value}\n" for key, value in VALUES.items())
TENANT, CLIENT = VALUES["AZ_TENANT_ID"], VALUES["AZ_CLIENT_ID"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (LINES, VALUES),
        (f"# ours\n\n{LINES.replace('AZ_', 'export AZ_')}OTHER=1\n", VALUES),
        (LINES.replace("\n", "\r\n"), VALUES),
        (f"\ufeff{LINES}", VALUES),
        ("".join(f'{key}="{value}"\n' for key, value in VALUES.items()), VALUES),
        ("".join(f"{key}='{value}' \n" for key, value in IDS.items()), VALUES),
        (json.dumps({"appId": CLIENT, "password": PASSWORD, "tenant": TENANT, "displayName": "a"}), VALUES),
        (
            json.dumps(
                {
                    "clientId": CLIENT,
                    "clientSecret": PASSWORD,
                    "subscriptionId": VALUES["AZ_SUBSCRIPTION_ID"],
                    "tenantId": TENANT,
                    "activeDirectoryEndpointUrl": "https://login.microsoftonline.com",
                }
            ),
            VALUES,
        ),
        (json.dumps(VALUES), VALUES),
        (LINES.replace("AZ_", "set AZ_"), VALUES),
        ("".join(f'$env:{key} = "{value}"\n' for key, value in VALUES.items()), VALUES),
        ("".join(f"{key} = {value}\n" for key, value in VALUES.items()), VALUES),
    ],
    ids=[
        "lines",
        "shell",
        "dos",
        "bom",
        "double quotes",
        "single quotes",
        "az",
        "az --json-auth",
        "json",
        "cmd",
        "PowerShell",
        "spaces",
    ],
)
def test_a_file_goes_before_the_environment(tmp_path: Path, text: str, found: dict[str, str]) -> None:
    path = tmp_path / "credentials"
    path.write_bytes(text.encode())
    # What a form of file does not have comes from the environment, and only that.
    missing = {
        "AZ_SUBSCRIPTION_ID": VALUES["AZ_SUBSCRIPTION_ID"],
        "AZ_CLIENT_SECRET": PASSWORD if "SECRET" not in text and "password" not in text else "not this",
    }
    assert read_values(path, None, missing).by_key == found


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "missing"),
        (b"\xff\xfea", "not a text file"),
        ("AZ_CLIENT_SECRET=ü".encode("cp1252"), r"not UTF-8 text \(line 1\): save it as UTF-8"),
        (b"{", "not JSON"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"PASSWORD=a", "has none of"),
        (b"# AZ_TENANT_ID of ours", "has none of"),
        (b"\nAZ_CLIENT_SECRET: a", r"line 2: expected AZ_CLIENT_SECRET=VALUE$"),
        (b"AZ_CLIENT_SECRET a", r"line 1: expected AZ_CLIENT_SECRET=VALUE$"),
        (b"setx AZ_TENANT_ID a", r"line 1: expected AZ_TENANT_ID=VALUE$"),
    ],
)
def test_a_file_that_is_no_use_is_one_line(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "credentials"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CredentialsError, match=said):
        read_values(path, None, VALUES)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8-sig"])
def test_a_file_of_windows_is_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "credentials"
    for text in (LINES.replace("\n", "\r\n"), json.dumps(VALUES, indent=2).replace("\n", "\r\n")):
        path.write_bytes(text.encode(encoding))
        assert read_values(path, None, {}).by_key == VALUES


def test_no_value_can_be_given_on_the_command_line() -> None:
    names = {name for option in azcreds_command.params for name in option.opts}
    assert names == {"--namespace", "--context", "--from-file", "--check", "--dry-run"}
