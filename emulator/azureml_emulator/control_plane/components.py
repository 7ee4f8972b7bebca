"""Components: the commands and pipelines that jobs are made of."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from azureml_emulator.arm.errors import bad_request, not_emulated, not_found
from azureml_emulator.arm.resources import object_in
from azureml_emulator.context import Context, context_of
from azureml_emulator.control_plane.assets import EMPTY, AssetKind, stage_of
from azureml_emulator.control_plane.lookup import arm_path, parent
from azureml_emulator.jobs.assets import DEFAULT_VERSION, newest_version
from azureml_emulator.jobs.graph import read_component_graph
from azureml_emulator.jobs.specs import check_io_name, check_text, read_variables
from azureml_emulator.scoring.curated_environments import find_curated
from azureml_emulator.store import Document

TYPES = ("command", "pipeline")
ANONYMOUS = "azureml_anonymous"
GUID = re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
ORIGIN = ("_source", "id", "creation_context", "sourceJobId")
"""What only says where the client got a component."""
TEXTS = ("name", "version", "display_name", "description", "tags", "$schema")
"""What can change in a registered version (recorded 2022)."""


def _complete(context: Context, version_id: str, properties: Document, previous: Document) -> Document:
    *_, name, _, version = version_id.split("/")
    spec = _without_origin(_checked(properties.get("componentSpec")))
    before = previous.get("componentSpec", {})
    if previous and (properties.get("isAnonymous") or previous["isAnonymous"]):
        # Clients name anonymous components after their content.
        spec = {**before, **{field: value for field, value in spec.items() if field in TEXTS}}
    elif "jobs" not in spec and "jobs" in before:  # clients write back what they read
        spec["jobs"] = before["jobs"]
    if spec["type"] == "pipeline":
        read_component_graph(context.store, spec)
    elif curated := find_curated(context.store, spec["environment"]):
        spec["environment"] = curated["id"]
    # An anonymous component keeps its own version beside the GUID in its id (recorded 2024).
    own = spec.get("version") if properties.get("isAnonymous") or previous.get("isAnonymous") else None
    return {
        # Recorded 2022 to 2024: the description is in the spec only.
        "description": None,
        "autoDeleteSetting": None,
        # Clients that leave the version to the service read it here.
        "componentSpec": {"name": name, **_as_returned(spec), "version": own or version},
        "provisioningState": "Succeeded",
        "stage": stage_of(properties, previous),
    }


def _checked(spec: object) -> Document:
    if not isinstance(spec, dict):
        raise bad_request("A component needs a 'componentSpec'.")
    if spec.get("type") not in TYPES:
        raise not_emulated(f"a component of type {spec.get('type')!r}: only {' and '.join(TYPES)}")
    if spec["type"] == "command":
        if not all(isinstance(spec.get(name), str) for name in ("command", "environment")):
            raise bad_request("The componentSpec of a command needs a 'command' and an 'environment'.")
        check_text(spec["command"])
        read_variables(object_in(spec, "environment_variables"))
        if not isinstance(spec.get("code") or "", str):
            raise bad_request("The 'code' of a componentSpec must be an id.")
    for kind in ("inputs", "outputs"):
        declarations = object_in(spec, kind)
        for name in declarations:
            check_io_name(name)
            if not isinstance(object_in(declarations, name).get("type"), str):
                raise bad_request(f"{name!r} of the componentSpec's {kind} has no 'type'.")
    return spec


def _without_origin(spec: Document) -> Document:
    content = {name: value for name, value in spec.items() if name not in ORIGIN}
    if jobs := object_in(content, "jobs"):
        content["jobs"] = {name: _without_origin(object_in(jobs, name)) for name in jobs}
    return content


def _as_returned(spec: Document) -> Document:
    """Apply the service's defaults and write everything but the jobs as text (recorded 2022 to 2024)."""
    is_command = spec["type"] == "command"
    inputs = {name: {"optional": False, **declaration} for name, declaration in object_in(spec, "inputs").items()}
    for declaration in () if is_command else inputs.values():
        # Recorded 2024: a default that names a compute loses its prefix.
        if declaration.get("type") == "string" and isinstance(default := declaration.get("default"), str):
            declaration["default"] = default.removeprefix("azureml:")
    completed = {"is_deterministic": is_command, **spec, "inputs": inputs}
    if is_command:
        completed["resources"] = {"instance_count": 1, **object_in(spec, "resources")}
    if str(spec.get("code") or "").startswith("/"):
        completed["code"] = f"azureml:{spec['code']}"
    jobs = {"jobs": completed.pop("jobs")} if "jobs" in completed else {}
    return {**_texts_in(completed), **jobs}


def _texts_in(values: Document) -> Document:
    """Return values as texts, without those that are null or empty."""
    texts = {name: _text(value) for name, value in values.items()}
    return {name: text for name, text in texts.items() if text is not None and text != {}}


def _text(value: object) -> object:
    if isinstance(value, dict):
        return _texts_in(value)
    if isinstance(value, list):
        return [_text(item) for item in value]
    return str(value) if isinstance(value, bool | int | float) else value


def _count_time(_container: Document, _version: str) -> Document:
    """Let the next version be a time stamp (recorded 2022): only the first one without a version gets 1."""
    now = datetime.now(UTC)
    return {"nextVersion": f"{now:%Y-%m-%d-%H-%M-%S}-{now.microsecond * 10:07}"}


def _fixed(spec: object) -> object:
    return {name: value for name, value in spec.items() if name not in TEXTS} if isinstance(spec, dict) else spec


def _shown(resource: Document) -> Document:
    """Return a version as the service shows it: without a pipeline's jobs (recorded 2022 to 2024)."""
    if "componentSpec" in resource["properties"]:
        resource["properties"]["componentSpec"].pop("jobs", None)
    return resource


_KIND = AssetKind(
    "components",
    immutable=("componentSpec",),
    complete=_complete,
    page_size=50,
    empty={**EMPTY, "description": ""},
    count=_count_time,
    # Clients do not show the container of anonymous components.
    container=lambda properties: {"isArchived": True} if properties.get("isAnonymous") else {},
    fixed=_fixed,
    shown=_shown,
)


async def get_version(request: Request) -> Response:
    """GET a version; `azureml_default` selects the default one, whose id then is that of the label (recorded)."""
    name, version_name = request.path_params["name"], request.path_params["version"]
    if version_name != DEFAULT_VERSION:
        # Recorded 2024: anonymous components are looked up by the GUID that is their version.
        unknown = name == ANONYMOUS and context_of(request).store.get(arm_path(request)) is None
        if unknown and not GUID.fullmatch(version_name):
            raise bad_request(f"Module id {version_name} is not guid")
        return await _KIND.get(request)
    container = parent(parent(arm_path(request)))
    version = newest_version(context_of(request).store, container)
    if version is None:
        raise not_found(container)
    return JSONResponse(_shown({**version, "id": f"{container}/labels/default"}))


routes = [Route("/components/{name}/versions/{version}", get_version, methods=["GET"]), *_KIND.routes()]
