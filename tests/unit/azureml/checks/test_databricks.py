"""The checks of a Databricks workspace: its address, and the credentials."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from http_double import Request, Response
from https_double import answer_https
from kfp_azureml.azureml.checks.databricks import check_databricks_host, check_databricks_token
from kfp_azureml.runtime.checks import State

HOST = "adb-1.2.azuredatabricks.net"
TOKEN = "dapi-s3cr3t-value"


class Databricks:
    """Accepts one token; records the paths and tokens of requests."""

    def __init__(self) -> None:
        self.accepted = TOKEN
        self.asked: list[tuple[str, str]] = []

    def answer(self, request: Request) -> Response | None:
        if request.host != HOST:
            return None
        sent = request.headers.get("Authorization", "").removeprefix("Bearer ")
        self.asked.append((request.path, sent))
        return Response(200 if request.path == "/" or sent == self.accepted else 403, b"{}")


@pytest.fixture
def databricks(monkeypatch: pytest.MonkeyPatch) -> Databricks:
    double = Databricks()
    answer_https(monkeypatch, double.answer)
    return double


@pytest.mark.parametrize("address", [f"https://{HOST}", f"https://{HOST}/", HOST])
def test_a_workspace_that_responds(databricks: Databricks, address: str) -> None:
    outcome = check_databricks_host({"DATABRICKS_HOST": address})
    assert (outcome.state, outcome.found) == (State.OK, HOST)


@pytest.mark.parametrize(
    "address", ["", f"http://{HOST}", f"https://{HOST}\n", f"https://{HOST}/?o=1#job/1/x", "https://nowhere.invalid"]
)
def test_a_wrong_address(databricks: Databricks, address: str) -> None:
    outcome = check_databricks_host({"DATABRICKS_HOST": address})
    assert outcome.state is State.FAILED
    assert outcome.mend


def test_a_token(databricks: Databricks) -> None:
    assert check_databricks_token(HOST, None, {"DATABRICKS_TOKEN": TOKEN}).state is State.OK
    assert databricks.asked == [("/api/2.0/preview/scim/v2/Me", TOKEN)]


@pytest.mark.parametrize("token", [f"{TOKEN}\n", "dapi-another-s3cr3t"])
def test_a_wrong_token(databricks: Databricks, token: str) -> None:
    outcome = check_databricks_token(HOST, None, {"DATABRICKS_TOKEN": token})
    assert outcome.state is State.FAILED
    assert "DATABRICKS_TOKEN" in outcome.message
    assert "s3cr3t" not in f"{outcome.message} {outcome.mend}"


def test_without_a_token_the_azure_credentials_are_used(databricks: Databricks) -> None:
    scopes = []

    def get_token(scope: str) -> Any:
        scopes.append(scope)
        return SimpleNamespace(token=databricks.accepted)

    identity: Any = SimpleNamespace(get_token=get_token)
    assert check_databricks_token(HOST, identity, {}).state is State.OK
    assert scopes == ["2ff814a6-3304-4ab8-85cb-cd0e6f879c1d/.default"]
    databricks.accepted = "other"
    identity = SimpleNamespace(get_token=lambda _: SimpleNamespace(token=TOKEN))
    assert "add the identity" in check_databricks_token(HOST, identity, {}).mend
    assert check_databricks_token(HOST, None, {}).state is State.FAILED
