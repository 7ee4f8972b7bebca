"""Code, environments, models, data and components."""

from collections.abc import Iterator

from page_sizes import PAGE_SIZES
from play import Play, again, delete, get, missing, post, put
from situation import PAGE, REPLACED

ACTIVE = {"listViewType": "ActiveOnly"}
NEWEST = {"$orderBy": "createdtime desc", "$top": "1"}
CODE = "/codes/6c0a3a40-9d58-4a3b-9d3c-0d9e7f7f0001/versions/1"
HASHED = {"hash_sha256": "0" * 64, "hash_version": "202208"}
CONDA = """name: e
channels:
- conda-forge
dependencies:
- python=3.11
- pip:
  - azureml-inference-server-http
"""
IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04"
ASSET = {"isAnonymous": False, "isArchived": False, "properties": {}, "tags": {"k": "v"}}
SHORT_PATH = "azureml://datastores/workspaceblobstore/paths/LocalUpload/0123456789abcdef0123456789abcdef/x"
DATASTORE_PATH = "azureml:/{short}/datastores/workspaceblobstore/paths/LocalUpload/0123456789abcdef0123456789abcdef/x"
# All keys that recorded requests had: an answer repeats them.
COMPONENT = {
    "$schema": "https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json",
    "name": "cmpcomp",
    "version": "1",
    "display_name": "C",
    "description": "d",
    "tags": {"k": "v"},
    "is_deterministic": True,
    "type": "command",
    "command": "echo hi",
    "code": f"azureml:{{ws}}{CODE}",
    "environment": "azureml:{ws}/environments/cmpenv/versions/1",
    "inputs": {"x": {"type": "integer", "default": "1", "description": "d"}},
    "outputs": {"o": {"type": "uri_folder"}},
    "_source": "YAML.COMPONENT",
}
PIPELINE_COMPONENT = {
    "$schema": "https://azuremlschemas.azureedge.net/latest/pipelineComponent.schema.json",
    "name": "cmppipe",
    "version": "1",
    "display_name": "P",
    "description": "d",
    "tags": {"k": "v"},
    "inputs": {"x": {"type": "number", "default": "1", "description": "d"}},
    "type": "pipeline",
    "jobs": {
        "a": {
            "name": "a",
            "type": "command",
            "_source": "YAML.JOB",
            "componentId": "{ws}/components/cmpcomp/versions/1",
        }
    },
    "_source": "YAML.COMPONENT",
    "sourceJobId": None,
}


def environment(**properties: object) -> dict[str, object]:
    """Return an environment's body."""
    return {"properties": {**ASSET, "image": IMAGE, **properties}}


def built(**build: str) -> dict[str, object]:
    """Return the body of an environment made from a Dockerfile."""
    return {"properties": {**ASSET, "build": build}}


def model(**properties: object) -> dict[str, object]:
    """Return a model's body."""
    return {"properties": {**ASSET, "modelType": "custom_model", "modelUri": DATASTORE_PATH, **properties}}


def data(**properties: object) -> dict[str, object]:
    """Return a data asset's body."""
    return {"properties": {**ASSET, "dataType": "uri_folder", "dataUri": SHORT_PATH, **properties}}


def component(name: str) -> dict[str, object]:
    """Return a component's body."""
    return {"properties": {**ASSET, "componentSpec": {**COMPONENT, "name": name}}}


def code(uri: str) -> dict[str, object]:
    """Return a code asset's body."""
    return {"properties": {"isAnonymous": True, "isArchived": False, "codeUri": uri, "properties": HASHED}}


def asset(kind: str, name: str, body: object) -> Iterator[Play]:
    """Play an asset's life, from before it is there."""
    container, version = f"/{kind}/{name}", f"/{kind}/{name}/versions/1"
    yield missing(container)
    yield missing(f"{container}/versions", **NEWEST)
    yield missing(version)
    created = put(version, body)
    yield from (created, again(created), get(version), missing(f"{container}/versions/77"))
    yield from (get(f"{container}/versions", **ACTIVE), get(f"/{kind}", **ACTIVE), get(container))


def full_pages(kind: str, body: object) -> Iterator[Play]:
    """Play more containers than a page has, then the first page."""
    for number in range(PAGE_SIZES[kind] + 1):
        yield put(f"/{kind}/cmppage{number:03}/versions/1", body)
    yield get(f"/{kind}", PAGE, **ACTIVE)


def short_page(kind: str, name: str, body: object) -> Iterator[Play]:
    """Play a second version, then a page of one version."""
    yield put(f"/{kind}/{name}/versions/2", body)
    yield get(f"/{kind}/{name}/versions", PAGE, **NEWEST)


CODE_PUT = put(CODE, code("{container}/LocalUpload/0123456789abcdef0123456789abcdef/src"))
CONTAINER = {"properties": {"properties": {}, "tags": {}, "isArchived": False}}
PLAYS: tuple[Play, ...] = (
    get("/codes/x/versions", hash="0" * 64, hashVersion="202208"),
    post(f"{CODE}/startPendingUpload", {"pendingUploadType": "TemporaryBlobReference"}),
    CODE_PUT,
    again(CODE_PUT),
    get(CODE),
    get("/codes/x/versions", hash="0" * 64, hashVersion="202208"),
    *asset("environments", "cmpenv", environment(condaFile=CONDA)),
    put("/environments/cmpbuilt/versions/1", built(contextUri="{container}/LocalUpload/0/c")),
    put("/environments/cmpenv", {"properties": {**CONTAINER["properties"], "description": ""}}),
    *asset("models", "cmpmodel", model()),
    put("/models/cmpmodel", CONTAINER, situation=REPLACED),
    *short_page("models", "cmpmodel", model()),
    get("/models/cmpmodel/versions", stage="Production"),
    *asset("data", "cmpdata", data()),
    put("/data/cmpdata", {"properties": {"isArchived": False, "dataType": "uri_folder"}}, situation=REPLACED),
    *asset("components", "cmpcomp", component("cmpcomp")),
    put("/components/cmppipe/versions/1", {"properties": {**ASSET, "componentSpec": PIPELINE_COMPONENT}}),
    get("/components/cmppipe/versions/1"),
    put("/components/cmpcomp", CONTAINER, situation=REPLACED),
    put("/codes/cmpcode", CONTAINER),
    delete("/codes/cmpcode"),
    delete("/models/cmpmodel/versions/2"),
    put("/data/cmpgone/versions/1", data()),
    delete("/data/cmpgone"),
    put("/components/cmpgone/versions/1", component("cmpgone")),
    delete("/components/cmpgone"),
    *full_pages("models", model()),
    *full_pages("data", data()),
    *full_pages("environments", environment(condaFile=CONDA)),
    *full_pages("components", component("cmppage")),
)
