"""Online endpoints and deployments."""

from dataclasses import replace

from azureml_emulator.test_control.faults import EndOperation
from play import Play, again, delete, get, missing, post, put
from plays.assets import CODE
from reported import NO_QUOTA, ON_FAILED, OVER_FAILED
from situation import DELETED, FAILED, MISSING

ENDPOINT = "/onlineEndpoints/cmp-ept"
DEPLOYMENT = f"{ENDPOINT}/deployments/blue1"


def endpoint(**properties: object) -> dict[str, object]:
    """Return an endpoint's body."""
    return {
        "tags": {"k": "v"},
        "location": "eastus",
        "identity": {"type": "SystemAssigned"},
        "properties": {
            "authMode": "AMLToken",
            "description": "d",
            "properties": {},
            "mirrorTraffic": {},
            "traffic": {},
            **properties,
        },
    }


def deployment(capacity: int = 1) -> dict[str, object]:
    """Return a deployment's body."""
    return {
        "tags": {},
        "location": "eastus",
        "sku": {"name": "Default", "capacity": capacity},
        "properties": {
            "codeConfiguration": {"codeId": f"{{ws}}{CODE}", "scoringScript": "score.py"},
            "description": "d",
            "environmentId": "{ws}/environments/cmpenv/versions/1",
            "environmentVariables": {},
            "properties": {},
            "appInsightsEnabled": False,
            "endpointComputeType": "Managed",
            "instanceType": "Standard_DS2_V2",
            "model": "{ws}/models/cmpmodel/versions/1",
            "scaleSettings": {"scaleType": "Default"},
        },
    }


CREATE = put(ENDPOINT, endpoint(), follow=True)
TO_BLUE = replace(again(CREATE), body=endpoint(traffic={"blue1": 100}))
DEPLOY = put(DEPLOYMENT, deployment(), follow=True)
FAILING = put(f"{ENDPOINT}/deployments/bad1", deployment(), follow=True)
FAILING_ENDPOINT = put("/onlineEndpoints/cmp-bad", endpoint(), follow=True)
KEYS = "/onlineEndpoints/cmp-keys"
WITH_KEYS = put(KEYS, endpoint(authMode="Key"), follow=True)
CRASH = EndOperation(method="PUT", path="*/bad1", code="ResourceNotReady", message="User container has crashed.")
BREAK = EndOperation(method="PUT", path="*/onlineEndpoints/cmp-bad", code="InternalServerError", message="x")
PLAYS: tuple[Play, ...] = (
    missing(ENDPOINT),
    Play("DELETE", ENDPOINT, MISSING),
    missing(f"{ENDPOINT}/deployments"),
    CREATE,
    get(ENDPOINT),
    again(CREATE),
    get("/onlineEndpoints"),
    post(f"{ENDPOINT}/token"),
    missing(DEPLOYMENT),
    DEPLOY,
    get(DEPLOYMENT),
    again(DEPLOY),
    get(f"{ENDPOINT}/deployments"),
    post(f"{DEPLOYMENT}/getLogs", {"containerType": "InferenceServer", "tail": 20}),
    get(f"{DEPLOYMENT}/skus"),
    TO_BLUE,
    put(f"{ENDPOINT}/deployments/big1", deployment(500), situation=NO_QUOTA),
    replace(delete(DEPLOYMENT), ends=FAILED),
    again(CREATE),
    delete(DEPLOYMENT),
    replace(missing(DEPLOYMENT), situation=DELETED),
    replace(FAILING, fault=CRASH, ends=FAILED),
    replace(FAILING, situation=OVER_FAILED, follow=False),
    replace(FAILING_ENDPOINT, fault=BREAK, ends=FAILED),
    put("/onlineEndpoints/cmp-bad/deployments/blue1", deployment(), situation=ON_FAILED),
    WITH_KEYS,
    post(f"{KEYS}/listKeys"),
    replace(post(f"{KEYS}/regenerateKeys", {"keyType": "Primary"}), follow=True),
    delete(ENDPOINT),
    replace(missing(ENDPOINT), situation=DELETED),
)
