"""Batch endpoints, their deployments and jobs."""

from dataclasses import replace

from play import Play, again, delete, get, missing, put
from plays.assets import CODE
from situation import ANSWERED, DELETED

ENDPOINT = "/batchEndpoints/cmp-bept"
DEPLOYMENT = f"{ENDPOINT}/deployments/bdp1"
DATA_PLANE = "{region}.api.azureml.ms"


def endpoint(defaults: dict[str, str] | None = None) -> dict[str, object]:
    """Return an endpoint's body."""
    properties = {"authMode": "aadToken", "description": "b", "properties": {}, "defaults": defaults}
    return {"tags": {}, "location": "eastus", "properties": properties}


CREATE = put(ENDPOINT, endpoint(), follow=True)
DEPLOY = put(
    DEPLOYMENT,
    {
        "location": "eastus",
        "tags": {},
        "properties": {
            "compute": "{ws}/computes/cpu-cluster",
            "codeConfiguration": {"codeId": f"{{ws}}{CODE}", "scoringScript": "score.py"},
            "environmentId": "{ws}/environments/cmpenv/versions/1",
            "environmentVariables": {},
            "errorThreshold": -1,
            "loggingLevel": "Info",
            "maxConcurrencyPerInstance": 1,
            "miniBatchSize": 10,
            "model": {"referenceType": "Id", "assetId": "{ws}/models/cmpmodel/versions/1"},
            "outputAction": "AppendRow",
            "outputFileName": "predictions.csv",
            "properties": {},
            "resources": {"instanceCount": 1},
            "retrySettings": {"maxRetries": 3, "timeout": "PT30S"},
        },
    },
    follow=True,
)
INPUT = {"jobInputType": "UriFolder", "uri": "azureml://datastores/workspaceblobstore/paths/LocalUpload/0/x"}
DATASET = {"datastoreId": "{ws}/datastores/workspaceblobstore", "path": "results"}
INVOKE = Play(
    "POST",
    "{none}/jobs",
    ANSWERED,
    {"properties": {"inputData": {"i": INPUT}, "outputDataset": DATASET}},
    host="cmp-bept.{region}.inference.ml.azure.com",
)


def listed(path: str) -> Play:
    """GET a list of jobs, which the workspace's region has."""
    return Play("GET", f"{{none}}/mferp/managementfrontend{{ws}}{path}", host=DATA_PLANE)


PLAYS: tuple[Play, ...] = (
    missing(ENDPOINT),
    CREATE,
    get(ENDPOINT),
    again(CREATE),
    missing(DEPLOYMENT),
    DEPLOY,
    get(DEPLOYMENT),
    again(DEPLOY),
    get(f"{ENDPOINT}/deployments"),
    get("/batchEndpoints"),
    replace(again(CREATE), body=endpoint({"deploymentName": "bdp1"})),
    INVOKE,
    listed(f"{ENDPOINT}/jobs"),
    listed(f"{DEPLOYMENT}/jobs"),
    Play("GET", "{none}/discovery", host=DATA_PLANE),
    again(CREATE),
    delete(DEPLOYMENT),
    replace(missing(DEPLOYMENT), situation=DELETED),
    delete(ENDPOINT),
    replace(missing(ENDPOINT), situation=DELETED),
)
