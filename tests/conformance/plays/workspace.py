"""The workspace, its datastores and computes."""

from dataclasses import replace

from play import Play, again, delete, get, missing, post, put

COMPUTE = {
    "location": "eastus",
    "properties": {
        "computeType": "AmlCompute",
        "disableLocalAuth": True,
        "properties": {
            "osType": "Linux",
            "vmSize": "STANDARD_DS3_V2",
            "vmPriority": "Dedicated",
            "scaleSettings": {"maxNodeCount": 1, "minNodeCount": 0, "nodeIdleTimeBeforeScaleDown": "PT2M"},
            "remoteLoginPortPublicAccess": "NotSpecified",
            "enableNodePublicIp": True,
        },
    },
}
INSTANCE = {
    "location": "eastus",
    "identity": {"type": "SystemAssigned"},
    "tags": {"k": "v"},
    "properties": {
        "computeType": "ComputeInstance",
        "properties": {"vmSize": "STANDARD_DS3_V2", "computeInstanceAuthorizationType": "personal"},
    },
}
ACCOUNT_KEY = {"credentialsType": "AccountKey", "secrets": {"secretsType": "AccountKey", "key": "a2V5"}}
SERVICE_PRINCIPAL = {
    "credentialsType": "ServicePrincipal",
    "clientId": "00000000-0000-0000-0000-000000000001",
    "tenantId": "00000000-0000-0000-0000-000000000002",
    "authorityUrl": "https://login.microsoftonline.com",
    "resourceUrl": "https://storage.azure.com/",
    "secrets": {"secretsType": "ServicePrincipal", "clientSecret": "a2V5"},
}
STORAGE = {"accountName": "someaccount", "endpoint": "core.windows.net", "protocol": "https"}


def datastore(kind: str, **properties: object) -> dict[str, object]:
    """Return a datastore's body."""
    return {"properties": {"datastoreType": kind, "tags": {}, **STORAGE, **properties}}


BLOBS = put(
    "/datastores/cmpblob",
    datastore("AzureBlob", containerName="c", credentials=ACCOUNT_KEY),
    skipValidation="true",
)
PLAYS: tuple[Play, ...] = (
    get(""),
    missing("{group}/providers/Microsoft.MachineLearningServices/workspaces/nowhere"),
    get("{group}/providers/Microsoft.MachineLearningServices/workspaces"),
    Play("PATCH", "", body={"tags": {"k": "v"}}, follow=True),
    get("/datastores/workspaceblobstore"),
    post("/datastores/workspaceblobstore/listSecrets"),
    missing("/datastores/nostore"),
    BLOBS,
    again(BLOBS),
    put(
        "/datastores/cmpfiles",
        datastore("AzureFile", fileShareName="f", credentials=ACCOUNT_KEY),
        skipValidation="true",
    ),
    put(
        "/datastores/cmplake",
        datastore("AzureDataLakeGen2", filesystem="f", credentials=SERVICE_PRINCIPAL),
        skipValidation="true",
    ),
    get("/computes/cpu-cluster"),
    missing("/computes/nocluster"),
    get("/computes"),
    put("/computes/cmpcluster", COMPUTE, follow=True),
    get("/computes/cmpcluster"),
    post("/computes/cmpcluster/listNodes"),
    put("/computes/cmpinstance", INSTANCE, follow=True),
    get("/computes/cmpinstance"),
    *(replace(post(f"/computes/cmpinstance/{action}"), follow=True) for action in ("stop", "start", "restart")),
    delete("/computes/cmpcluster", underlyingResourceAction="Delete"),
    get("/datastores"),
    delete("/datastores/cmpfiles"),
    post("/listKeys"),
    post("/listStorageAccountKeys"),
    get("{subscription}/providers/Microsoft.MachineLearningServices/locations/{region}/usages"),
)
