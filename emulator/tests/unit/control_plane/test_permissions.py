"""The application's permissions, and what a denied action does."""

from __future__ import annotations

import pytest

from azureml_emulator.hosts.authorization import action_of
from emulator_app import App

pytestmark = pytest.mark.anyio
PERMISSIONS = "providers/Microsoft.Authorization/permissions"
WORKSPACES = "Microsoft.MachineLearningServices/workspaces"


async def test_everything_is_permitted_at_first(app: App) -> None:
    (role,) = (await app.arm.get(PERMISSIONS)).json()["value"]
    assert (role["actions"], role["notActions"]) == (["*"], [])


async def test_a_denied_action_is_listed_and_refused(app: App) -> None:
    denied = f"{WORKSPACES}/models/*"
    app.context.denied.set([denied])

    refused = await app.arm.get("models")

    assert refused.status_code == 403
    error = refused.json()["error"]
    assert error["code"] == "AuthorizationFailed"
    assert f"perform action '{WORKSPACES}/models/read' over scope '/subscriptions/" in error["message"]
    assert (await app.arm.get("datastores")).status_code == 200
    (role,) = (await app.arm.get(PERMISSIONS)).json()["value"]
    assert role["notActions"] == [denied]


@pytest.mark.parametrize(
    ("method", "path", "action"),
    [
        ("GET", "", "read"),
        ("PUT", "/onlineEndpoints/e/deployments/d", "onlineEndpoints/deployments/write"),
        ("PATCH", "", "write"),
        ("DELETE", "/onlineEndpoints/e", "onlineEndpoints/delete"),
        ("POST", "/onlineEndpoints/e/listKeys", "onlineEndpoints/listKeys/action"),
        ("GET", "/models", "models/read"),
    ],
)
def test_the_action_of_a_request(method: str, path: str, action: str) -> None:
    workspace = f"/subscriptions/s/resourceGroups/g/providers/{WORKSPACES}/w"
    assert action_of(method, f"{workspace}{path}") == f"{WORKSPACES}/{action}"


def test_the_action_outside_a_workspace() -> None:
    path = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Insights/autoscalesettings/a"
    assert action_of("PUT", path) == "Microsoft.Insights/autoscalesettings/write"
    permissions = f"/subscriptions/s/resourceGroups/g/providers/{WORKSPACES}/w/{PERMISSIONS}"
    assert action_of("GET", permissions) == "Microsoft.Authorization/permissions/read"
