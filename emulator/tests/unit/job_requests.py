"""Submitting jobs in unit tests, as clients write them, and waiting for their end."""

from __future__ import annotations

from typing import Any

import httpx

from .conftest import App

BLOBS = "azureml://datastores/workspaceblobstore/paths"
ENVIRONMENT = "environments/here/versions/1"
Document = dict[str, Any]


async def put_environment(app: App, name: str = "here") -> str:
    """Register an environment; the one named `here` has a stand-in. Return its id."""
    answer = await app.arm.put(f"environments/{name}/versions/1", json={"properties": {"image": f"an/{name}:1"}})
    return str(answer.json()["id"])


async def submit(app: App, name: str, **properties: Any) -> httpx.Response:
    """PUT a job; a command in the environment `here`, unless told otherwise."""
    if properties.get("jobType", "Command") == "Command":
        properties = {"jobType": "Command", "environmentId": await put_environment(app), **properties}
    return await app.arm.put(f"jobs/{name}", json={"properties": properties})


async def run(app: App, name: str, **properties: Any) -> Document:
    """Run a job to its end and return its run."""
    answer = await submit(app, name, **properties)
    assert answer.status_code == 201, answer.text
    await app.parts.jobs.wait(name)
    return await get_run(app, name)


async def get_run(app: App, name: str) -> Document:
    """GET a run from the run history."""
    document: Document = (await app.data_plane.get(f"runs/{name}")).raise_for_status().json()
    return document


async def children(app: App, name: str) -> dict[str, Document]:
    """List the nodes of a pipeline's run by their names."""
    listed = (await app.data_plane.get(f"runs/{name}/children")).raise_for_status().json()["value"]
    return {child["properties"]["azureml.nodename"]: child for child in listed}


def log(app: App, run_id: str) -> str:
    """Read what a command printed."""
    return (
        app.blobs.text(f"azureml://datastores/workspaceartifactstore/paths/ExperimentRun/dcid.{run_id}/{STD_LOG}") or ""
    )


STD_LOG = "user_logs/std_log.txt"


async def put_component(app: App, name: str, **spec: Any) -> str:
    """Register a component, a command in the environment `here` unless told otherwise. Return its id."""
    spec = {"name": name, "type": "command", "environment": await put_environment(app), **spec}
    answer = await app.arm.put(f"components/{name}/versions/1", json={"properties": {"componentSpec": spec}})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def literal(value: object) -> Document:
    """An input of a node as clients write it."""
    return {"job_input_type": "literal", "value": value}


def node(component: str, inputs: Document | None = None, outputs: Document | None = None, **more: Any) -> Document:
    """A command in a pipeline; inputs are literals or bindings, outputs are bindings to the pipeline's."""
    return {
        "type": "command",
        "componentId": component,
        "inputs": {name: literal(value) for name, value in (inputs or {}).items()},
        "outputs": {name: {"type": "literal", "value": value} for name, value in (outputs or {}).items()},
        **more,
    }
