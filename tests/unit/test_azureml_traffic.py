# ruff: noqa: E501 - addresses and messages of Azure in full
"""Recorded traffic says what Azure answered, and nothing of whose it is."""

from __future__ import annotations

import base64
import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import azureml_traffic
from azureml_traffic import Traffic, read

SUBSCRIPTION = "1f0d6a3c-9b1e-4c55-8a53-0f7f2f6f9e11"
GROUP, WORKSPACE = "Contoso-Shoes", "shoe-models"
WS = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.MachineLearningServices/workspaces/{WORKSPACE}"
FORM = "/subscriptions/{subscription}/resourceGroups/{rg}/providers/Microsoft.MachineLearningServices/workspaces/{workspace}"
ARM = "https://management.azure.com"
SECRETS = {
    "account key": "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYg==",
    "password": "correcthorsebattery",
    "client secret": "q8Q~vN3xY.7uR2-k9TzL0mWcB5dHsJ1gPfEa4",
    "signature": "d3JvbmcgaG9yc2UgbmFtZQ%3D%3D",
    "token": "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dBjftJeZ4CVPmB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    "mail": "ada.lovelace@contoso.example",
    "person": "Ada Lovelace",
    "one name": "Lovelace",
    "host": "shoe-models.contoso.example",
    "scoring host": "shoe-endpoint.westeurope.inference.ml.azure.com",
    "storage host": "contososhoesstore.blob.core.windows.net",
    "sas": "https://contososhoesstore.blob.core.windows.net/box/hidden.csv?sv=2021&sig=d3JvbmcgaG9yc2UgbmFtZQ%3D%3D&se=2026",
    "subscription": SUBSCRIPTION,
    "phone": "+49 30 1234567",
    "address": "10.20.30.40",
    "connection": "DefaultEndpointsProtocol=https;AccountName=contososhoesstore;AccountKey=Zm9vYmFyYmF6cXV4Zm9v;",
}
PARTS = (
    "lovelace",
    "contoso",
    "zm9vym",
    "horse",
    "q8q~",
    "eyjhb",
    "d3jvbmcg",
    "shoe",
    "1f0d6a3c",
    "1234567",
    "10.20",
    "hidden",
)


def recorded(
    method: str = "GET",
    url: str = f"{ARM}{WS}/models/boots/versions/3?api-version=2023-04-01",
    *,
    sent: dict[str, str] | None = None,
    request: Any = None,
    status: int = 200,
    headers: dict[str, str] | None = None,
    answer: Any = None,
) -> dict[str, Any]:
    """Record one exchange, and return it as it is written."""
    traffic = Traffic([GROUP, WORKSPACE])
    add(traffic, method, url, sent=sent, request=request, status=status, headers=headers, answer=answer)
    (row,) = traffic.rows()
    return row


def add(
    traffic: Traffic,
    method: str = "GET",
    url: str = f"{ARM}{WS}/models/boots/versions/3?api-version=2023-04-01",
    *,
    sent: dict[str, str] | None = None,
    request: Any = None,
    status: int = 200,
    headers: dict[str, str] | None = None,
    answer: Any = None,
) -> None:
    def raw(body: Any) -> bytes | str | None:
        return body if body is None or isinstance(body, bytes | str) else json.dumps(body)

    traffic.add(method, url, sent or {}, raw(request), status, headers or {}, raw(answer))


def test_an_exchange_has_the_form_of_the_recordings() -> None:
    row = recorded(
        "PUT",
        f"{ARM}{WS}/models/boots/versions/3?api-version=2023-04-01",
        sent={"User-Agent": "azure-ai-ml/1.35.2 azsdk-python-x/1 Python/3.11", "Authorization": "Bearer x"},
        request={"properties": {"modelUri": f"azureml://subscriptions/{SUBSCRIPTION}/resourcegroups/{GROUP}/workspaces/{WORKSPACE}/datastores/mine/paths/LocalUpload/x"}},
        status=201,
        headers={"Location": f"{ARM}{WS}/models/boots/versions/3?api-version=2023-04-01&t=1", "ETag": "x", "Content-Type": "application/json; charset=utf-8"},
        answer={
            "id": f"{WS}/models/boots/versions/3",
            "name": "3",
            "type": "Microsoft.MachineLearningServices/workspaces/models/versions",
            "properties": {
                "description": None,
                "tags": {"season": "winter"},
                "properties": {"azureml.x": "y", "mine": "z"},
                "isArchived": False,
                "modelType": "custom_model",
                "provisioningState": "Succeeded",
                "stage": "Development",
                "instanceType": "Standard_DS3_v2",
                "timeout": "PT30M",
                "count": 3,
            },
            "systemData": {"createdAt": "2026-01-02T03:04:05.678+00:00", "createdBy": "Ada Lovelace", "createdByType": "User"},
        },
    )  # fmt: skip
    assert list(row) == [
        "source",
        "host",
        "method",
        "path",
        "query",
        "request",
        "status",
        "headers",
        "body",
        "times",
        "also",
    ]
    assert re.fullmatch(r"[A-Z][a-z]{2} \d{4}", row["source"]["recorded"])
    assert row["source"]["client"] == ["azure-ai-ml/1.35.2"]
    assert (row["host"], row["path"]) == ("management.azure.com", f"{FORM}/models/{{name}}/versions/{{version}}")
    assert row["query"] == {"api-version": "2023-04-01"}
    uri = "azureml://subscriptions/{subscription}/resourcegroups/{rg}/workspaces/{workspace}/datastores/{datastore}/paths/<path>"
    assert row["request"] == {"properties": {"modelUri": uri}}
    assert row["headers"] == {
        "content-type": "application/json; charset=utf-8",
        "location": f"{ARM}{FORM}/models/{{name}}/versions/{{version}}?api-version=2023-04-01&t=<t>",
    }
    assert row["body"] == {
        "id": f"{FORM}/models/{{name}}/versions/{{version}}",
        "name": "<name>",
        "type": "Microsoft.MachineLearningServices/workspaces/models/versions",
        "properties": {
            "description": None,
            "tags": {"<key>": "<value>"},
            "properties": {"azureml.x": "<value>", "<key>": "<value>"},
            "isArchived": False,
            "modelType": "custom_model",
            "provisioningState": "Succeeded",
            "stage": "Development",
            "instanceType": "Standard_DS3_v2",
            "timeout": "PT30M",
            "count": 3,
        },
        "systemData": {"createdAt": "<time>+00:00", "createdBy": "<createdBy>", "createdByType": "User"},
    }


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        (
            f"{ARM}/subscriptions/{SUBSCRIPTION}/providers/Microsoft.MachineLearningServices/locations/eastus/mfeOperationsStatus/oe:1:2",
            "management.azure.com",
            "/subscriptions/{subscription}/providers/Microsoft.MachineLearningServices/locations/{location}/mfeOperationsStatus/oe:{workspaceId}:{operation}",
        ),
        ("https://shoe.eastus.inference.ml.azure.com/score", "{endpoint}.{region}.inference.ml.azure.com", "/score"),
        ("https://eastus.api.azureml.ms/discovery", "{region}.api.azureml.ms", "/discovery"),
        (
            f"https://eastus.api.azureml.ms/history/v1.0{WS}/experimentids/12/runs/boot/details",
            "{region}.api.azureml.ms",
            f"/history/v1.0{FORM}/experimentids/{{name}}/runs/{{name}}/details",
        ),
        (f"{ARM}{WS}/onlineEndpoints/shoe/deployments/blue/getLogs", "management.azure.com", f"{FORM}/onlineEndpoints/{{endpoint}}/deployments/{{deployment}}/getLogs"),
        (f"{ARM}{WS}/connections/secret-store", "management.azure.com", f"{FORM}/connections/{{name}}"),
    ],
)  # fmt: skip
def test_an_address_keeps_what_is_the_apis(url: str, host: str, path: str) -> None:
    row = recorded(url=url)
    assert (row["host"], row["path"]) == (host, path)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("Not found component boots.", "Not found component <name>."),
        ("Model container with name: boots not found.", "Model container with name: <name> not found."),
        (
            f"The Resource 'Microsoft.MachineLearningServices/workspaces/{WORKSPACE}/onlineEndpoints/shoe' under resource group '{GROUP}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
            "The Resource 'Microsoft.MachineLearningServices/workspaces/<name>/onlineEndpoints/<name>' under resource group '<name>' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
        ),
        (
            '{"errors":{"":["Specified deployment [blue1] failed during initial provisioning and is in an unrecoverable state. Delete and re-create."]},"title":"One or more validation errors occurred."}',
            '{"errors": {"": ["Specified deployment [<name>] failed during initial provisioning and is in an unrecoverable state. Delete and re-create."]}, "title": "One or more validation errors occurred."}',
        ),
        ("ResourceNotReady: User container has crashed", "ResourceNotReady: User container has crashed"),
        ("Current usage/limit: 0/6.", "Current usage/limit: 0/6."),
    ],
)  # fmt: skip
def test_a_message_keeps_the_apis_words(said: str, kept: str) -> None:
    body = recorded(status=404, answer={"error": {"code": "UserError", "message": said}})["body"]
    assert body == {"error": {"code": "UserError", "message": kept}}


def places(secret: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield exchanges that have a secret somewhere."""
    in_json = {
        "a": [{"value": secret}, secret],
        secret: 1,
        "properties": {secret: {"status": secret}},
        "tags": {secret: secret},
    }
    fields = (
        "key",
        "primaryKey",
        "accessToken",
        "createdBy",
        "userName",
        "message",
        "title",
        "type",
        "status",
        "code",
        "id",
        "location",
        "provisioningState",
        "scoringUri",
        "unknownField",
        "properties",
    )
    encoded = base64.b64encode(secret.encode()).decode()
    yield "header", {"headers": {"Location": f"{ARM}{WS}/x/{secret}?sig={secret}", "x-ms-response-type": secret, "retry-after": secret, "content-type": secret, "azure-asyncoperation": f"https://{secret}/a?{secret}={secret}", "azureml-model-deployment": secret, "x-other": secret}}  # fmt: skip
    yield "sent header", {"sent": {"Authorization": f"Bearer {secret}", "User-Agent": secret, "x-other": secret}}
    yield "path", {"url": f"{ARM}{WS}/models/{secret}/versions/{secret}/{secret}"}
    yield "query", {"url": f"{ARM}{WS}?api-version={secret}&$filter={secret}&{secret}&$top={secret}&$orderBy={secret}"}
    yield "user info", {"url": f"https://user:{quote(secret, safe='')}@management.azure.com{WS}"}
    yield "answer", {"answer": in_json}
    yield "fields", {"answer": dict.fromkeys(fields, secret)}
    yield "lists", {"answer": {field: [secret, {field: secret}] for field in fields}}
    yield "request", {"request": in_json}
    yield "form", {"request": f"client_secret={secret}&grant_type=x"}
    yield "text", {"answer": f"failed: {secret}"}
    yield "html", {"answer": f"<html><b>{secret}</b>".encode()}
    yield (
        "JSON text",
        {
            "answer": {
                "body": json.dumps(in_json),
                "message": json.dumps({"message": secret, "errors": {secret: [secret]}}),
            }
        },
    )
    yield "twice", {"answer": {"message": json.dumps({"message": json.dumps({"error": {"message": secret}})})}}
    yield "base64", {"answer": {"value": encoded, "message": f"body {encoded}", "blob": f"data:{encoded}"}}
    yield "message", {"answer": {"error": {"code": secret, "message": f"The client '{secret}' with key={secret}; ({secret}) failed: https://{secret}/x?y={secret}, {WS}/models/{secret}", "details": [{"message": secret}]}}}  # fmt: skip
    yield "YAML", {"request": {"properties": {"condaFile": f"name: x\npip:\n- --index-url https://u:{secret}@x/y\n"}}}


@pytest.mark.parametrize("kind", SECRETS)
def test_no_secret_and_no_name_remains_wherever_it_was(kind: str) -> None:
    secret = SECRETS[kind]
    for place, exchange in places(secret):
        text = json.dumps(recorded(**exchange)).lower()
        assert secret.lower() not in text, place
        assert [part for part in PARTS if part in text] == [], place
        assert base64.b64encode(secret.encode()).decode().lower()[:20] not in text, place


@example("0000000000&A")
@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="<>"), min_size=12, max_size=60))
def test_no_text_that_is_not_the_apis_remains(secret: str) -> None:
    # With a digit between letters it is no word, and no number either.
    secret = f"z9{secret.strip()}9z"
    for place, exchange in places(secret):
        text = json.dumps(recorded(**exchange), ensure_ascii=False)
        assert "z9" not in text, place
        assert "9z" not in text, place


def test_a_person_who_is_named_like_the_apis_words_does_not_remain() -> None:
    claims = base64.urlsafe_b64encode(json.dumps({"name": "Will Page"}).encode()).decode().rstrip("=")
    traffic = Traffic([WORKSPACE])
    add(traffic, answer={"error": {"message": "Mark Max will retry the job"}})
    add(traffic, sent={"Authorization": f"Bearer x.{claims}.x"}, answer={"message": "Page Will cannot read it"})
    add(traffic, answer={"systemData": {"createdBy": "Max Mark"}})
    assert [row["body"] for row in traffic.rows()] == [
        {"error": {"message": "<name> <name> <name> retry the job"}},
        {"message": "<name> <name> cannot read it"},
        {"systemData": {"createdBy": "<createdBy>"}},
    ]


def test_a_person_who_is_known_late_remains_nowhere() -> None:
    traffic = Traffic([WORKSPACE])
    add(
        traffic,
        url=f"{ARM}{WS}/onlineEndpoints/shoe/score?$orderBy=score&score=1",
        headers={"Location": f"{ARM}{WS}/onlineEndpoints/shoe/score", "x-ms-response-type": "score"},
        request={"mode": "score"},
        answer={"score": "score", "nextLink": f"{ARM}{WS}/score", "list": [{"status": "Score"}]},
    )
    assert "score" in json.dumps(traffic.rows()).lower()
    add(traffic, answer={"systemData": {"createdBy": "Score"}})
    assert "score" not in json.dumps(traffic.rows()[0]).lower()
    assert traffic.rows()[0]["path"] == f"{FORM}/onlineEndpoints/{{endpoint}}/{{name}}"


def test_no_number_of_a_users_remains() -> None:
    row = recorded(
        request={
            "tags": {"pin": 4711, "list": [4711, [4711.5]]},
            "inputs": {"door": {"jobInputType": "literal", "value": 4711}, "code": 4711},
            "traffic": {"blue": 90, "green": 10},
            "resources": {"instanceCount": 2},
        },
        answer={"properties": {"properties": {"pin": 4711, "on": True}, "jobs": {"a": {"limits": {"maxTrials": 3}}}}},
    )
    assert "4711" not in json.dumps(row)
    assert row["request"]["tags"] == {"<key>": 0, "<key2>": [0, [0]]}
    assert row["request"]["traffic"] == {"<key>": 90, "<key2>": 10}
    assert row["request"]["resources"] == {"instanceCount": 2}
    assert row["body"]["properties"]["properties"] == {"<key>": 0, "<key2>": True}
    assert row["body"]["properties"]["jobs"] == {"<key>": {"limits": {"maxTrials": 3}}}


@pytest.mark.parametrize("levels", [300, 600, 900, 5_000, 100_000])
def test_deep_nesting_breaks_nothing(levels: int) -> None:
    deep = "[" * levels + "]" * levels
    claims = base64.urlsafe_b64encode(deep.encode()).decode().rstrip("=")
    row = recorded(sent={"Authorization": f"Bearer x.{claims}.x"}, request=deep, answer=f'{{"createdBy": {deep}}}')
    assert json.dumps(row["body"])


def test_a_workspace_that_is_named_like_the_apis_words_does_not_remain() -> None:
    traffic = Traffic(["production"])
    add(
        traffic,
        answer={
            "message": "workspace production was not found",
            "mode": "production",
            "stage": "Development",
            "production": {"Production": "a b"},
        },
    )
    assert traffic.rows()[0]["body"] == {
        "message": "workspace <name> was not found",
        "mode": "<text>",
        "stage": "Development",
        "<key>": {"<key>": "<text>"},
    }


def test_the_same_exchange_is_written_once_with_its_places() -> None:
    traffic = Traffic()
    for traffic.where in ("one", "two", "two", "three"):
        add(traffic, url=f"{ARM}{WS}/models/{traffic.where}")
    add(traffic, status=404)
    first, second = traffic.rows()
    assert (first["source"]["path"], first["times"], first["also"]) == ("one", 4, ["two", "three"])
    assert (second["source"]["interaction"], second["times"]) == (4, 1)


def test_it_is_written_for_this_user_only_and_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "dist" / "azure.jsonl"
    traffic = Traffic()
    add(traffic)
    traffic.write(path)
    before = path.read_text()
    assert read(path) == traffic.rows()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    add(traffic, status=404)
    monkeypatch.setattr(azureml_traffic.os, "fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        traffic.write(path)
    assert path.read_text() == before
    assert list(path.parent.iterdir()) == [path]
