from __future__ import annotations

import re

import pytest

from emulator_app import App
from job_requests import Document, node, put_component, put_environment

pytestmark = pytest.mark.anyio

CODE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w/codes/c/versions/1"


async def put(app: App, path: str, spec: object, **properties: object) -> tuple[int, Document]:
    answer = await app.arm.put(f"components/{path}", json={"properties": {"componentSpec": spec, **properties}})
    return answer.status_code, answer.json()


async def command(app: App, **more: object) -> Document:
    return {"name": "train", "type": "command", "command": "true", "environment": await put_environment(app), **more}


async def test_a_component_knows_its_version(app: App) -> None:
    status, component = await put(app, "train/versions/7", await command(app))

    assert status == 201
    assert component["properties"]["componentSpec"]["version"] == "7"
    container = (await app.arm.get("components/train")).json()["properties"]
    assert container["latestVersion"] is None
    assert re.fullmatch(r"\d{4}(-\d\d){5}-\d{7}", container["nextVersion"])


async def test_the_first_version_that_is_not_given_is_1(app: App) -> None:
    await app.arm.put("components/train", json={"properties": {}})

    container = (await app.arm.get("components/train")).json()["properties"]

    assert (container["nextVersion"], container["description"]) == ("1", "")


async def test_the_service_completes_a_component(app: App) -> None:
    inputs = {
        "data": {"type": "uri_folder"},
        "rate": {"type": "number", "optional": True, "default": 10.99, "min": None},
    }
    spec = await command(app, code=CODE, description="Trains.", tags={}, inputs=inputs, outputs={})

    _, component = await put(app, "train/versions/1", spec, description="Trains.")

    properties = component["properties"]
    assert properties["componentSpec"] == {
        "name": "train",
        "version": "1",
        "type": "command",
        "command": "true",
        "environment": spec["environment"],
        "code": f"azureml:{CODE}",
        "description": "Trains.",
        "is_deterministic": "True",
        "inputs": {
            "data": {"type": "uri_folder", "optional": "False"},
            "rate": {"type": "number", "optional": "True", "default": "10.99"},
        },
        "resources": {"instance_count": "1"},
    }
    assert (properties["description"], properties["stage"], properties["autoDeleteSetting"]) == (
        None,
        "Development",
        None,
    )
    again, same = await put(app, "train/versions/1", spec=properties["componentSpec"])
    assert (again, same["properties"]["componentSpec"]) == (200, properties["componentSpec"])


async def test_a_pipelines_jobs_are_not_shown_but_kept(app: App) -> None:
    train = await put_component(app, "train", command="true")
    jobs = {"a": node(train)}

    _, first = await put(app, "whole/versions/1", {"type": "pipeline", "jobs": jobs, "sourceJobId": None})

    spec = first["properties"]["componentSpec"]
    assert spec == {"name": "whole", "version": "1", "type": "pipeline", "is_deterministic": "False"}
    for path in ("components/whole/versions/1", "components/whole/versions/azureml_default"):
        assert (await app.arm.get(path)).json()["properties"]["componentSpec"] == spec
    assert (await app.arm.get("components/whole/versions")).json()["value"][0]["properties"]["componentSpec"] == spec
    assert (await put(app, "whole/versions/1", spec, isArchived=True))[0] == 200
    stored = app.context.store.get(f"{app.context.settings.workspace_id}/components/whole/versions/1")
    assert stored is not None
    assert list(stored["properties"]["componentSpec"]["jobs"]) == ["a"]


async def test_a_component_version_cannot_change_but_its_origin_is_ignored(app: App) -> None:
    spec = await command(app)
    await put(app, "train/versions/1", {**spec, "_source": "CLASS"})

    again, _ = await put(app, "train/versions/1", {**spec, "version": "1", "_source": "REMOTE", "id": "x"})
    other, refused = await put(app, "train/versions/1", {**spec, "command": "false"})

    assert (again, other) == (200, 400)
    assert refused["error"]["code"] == "UserError"
    assert "componentSpec" in refused["error"]["message"]


async def test_the_texts_of_a_component_version_can_change(app: App) -> None:
    spec = await command(app, display_name="one", description="one")
    await put(app, "train/versions/1", spec)

    status, changed = await put(app, "train/versions/1", {**spec, "display_name": "two", "description": "two"})

    assert status == 200
    assert changed["properties"]["componentSpec"]["display_name"] == "two"
    assert (await app.arm.get("components/train/versions/1")).json() == changed


async def test_the_default_version_is_the_newest_that_is_not_archived(app: App) -> None:
    spec = await command(app)
    for version in ("2", "1"):
        await put(app, f"train/versions/{version}", spec)
    default = "components/train/versions/azureml_default"
    found = (await app.arm.get(default)).json()
    assert (found["name"], found["id"]) == ("1", f"{app.context.settings.workspace_id}/components/train/labels/default")

    await put(app, "train/versions/1", spec, isArchived=True)

    assert (await app.arm.get(default)).json()["name"] == "2"
    assert (await app.arm.get("components/none/versions/azureml_default")).status_code == 404


async def test_a_pipeline_may_name_a_components_default_version(app: App) -> None:
    component = await put_component(app, "train", command="true")
    reference = component.replace("/versions/1", "/labels/default")

    status, _ = await put(app, "whole/versions/1", {"type": "pipeline", "jobs": {"a": node(reference)}})

    assert status == 201


async def test_a_pipelines_default_loses_the_prefix_of_a_reference(app: App) -> None:
    component = await put_component(app, "train", command="true")
    where = {"type": "string", "default": "azureml:cpu-cluster"}
    jobs = {"a": node(component, computeId="${{parent.inputs.where}}")}

    _, whole = await put(app, "whole/versions/1", {"type": "pipeline", "inputs": {"where": where}, "jobs": jobs})

    shown = whole["properties"]["componentSpec"]["inputs"]["where"]
    assert shown == {"type": "string", "optional": "False", "default": "cpu-cluster"}


async def test_anonymous_components_are_not_listed(app: App) -> None:
    spec = await command(app)
    first, _ = await put(app, "azureml_anonymous/versions/hash", spec, isAnonymous=True)

    again, same = await put(app, "azureml_anonymous/versions/hash", {**spec, "name": "other"}, isAnonymous=True)

    assert (first, again) == (201, 200)
    assert same["properties"]["componentSpec"]["name"] == "other"
    assert same["properties"]["stage"] == "Logged"
    assert (await app.arm.get("components")).json()["value"] == []
    assert (await app.arm.get("components/azureml_anonymous/versions/1")).status_code == 400
    guid = "0d5e9a2c-7b7e-4e3e-9a55-3f2f6a1b0c11"
    assert (await app.arm.get(f"components/azureml_anonymous/versions/{guid}")).status_code == 404
    assert (await app.arm.get("components/azureml_anonymous/versions/hash")).status_code == 200


async def test_an_anonymous_component_keeps_the_version_of_its_content(app: App) -> None:
    spec = {**await command(app), "name": "own", "version": "0.0.1"}

    for _ in range(2):
        _, component = await put(app, "azureml_anonymous/versions/hash", spec, isAnonymous=True)

        shown = component["properties"]["componentSpec"]
        assert (component["name"], shown["name"], shown["version"]) == ("hash", "own", "0.0.1")


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (None, "componentSpec"),
        ({"type": "spark"}, "spark"),
        ({"type": "command", "command": "true"}, "environment"),
        ({"type": "pipeline", "jobs": {}}, "no jobs"),
        (
            {"type": "pipeline", "jobs": {"a": {"type": "command", "componentId": "/x/components/gone/versions/1"}}},
            "gone",
        ),
    ],
)
async def test_a_component_that_cannot_run_is_refused(app: App, spec: object, said: str) -> None:
    status, body = await put(app, "train/versions/1", spec)

    assert status in (400, 501)
    assert said in body["error"]["message"]


@pytest.mark.parametrize(
    ("reference", "resolved"),
    [
        ("azureml:AzureML-own:1", "/environments/AzureML-own/versions/1"),
        (
            "azureml:AzureML-sklearn-1.5@latest",
            "azureml://registries/azureml/environments/AzureML-sklearn-1.5/versions/1",
        ),
    ],
)
async def test_a_curated_environment_is_resolved(app: App, reference: str, resolved: str) -> None:
    await app.arm.put("environments/AzureML-own/versions/1", json={"properties": {"image": "an/image"}})
    spec = {"name": "c", "type": "command", "command": "true", "environment": reference}

    answer = await app.arm.put("components/c/versions/1", json={"properties": {"componentSpec": spec}})

    assert answer.json()["properties"]["componentSpec"]["environment"].endswith(resolved)
