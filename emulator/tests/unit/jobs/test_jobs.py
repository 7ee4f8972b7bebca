from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from azureml_emulator.jobs.runs import Runs, Status
from azureml_emulator.settings import Settings
from emulator_app import App
from endpoint_requests import wait_for
from job_requests import (
    BLOBS,
    STATUS_SECONDS,
    STD_LOG,
    Document,
    get_run,
    log,
    put_environment,
    run,
    submit,
    wait_for_status,
)
from processes import processes_of

pytestmark = pytest.mark.anyio


def folder(name: str, **settings: Any) -> Document:
    return {"jobInputType": "uri_folder", "uri": f"{BLOBS}/{name}/", **settings}


async def test_a_command_runs_with_its_code_inputs_and_outputs(app: App) -> None:
    app.blobs.put(f"{BLOBS}/in/a.txt", "from a")
    app.blobs.put(f"{BLOBS}/one/file.txt", "from file")
    app.blobs.put("https://account.blob.core.windows.net/code-1/src/tool.py", "print('from the code')")
    code = {"codeUri": "https://account.blob.core.windows.net/code-1/src"}
    await app.arm.put("codes/c/versions/1", json={"properties": code})

    ended = await run(
        app,
        "job1",
        command="python tool.py; cat ${{inputs.folder}}/a.txt ${{inputs.file}}; echo ${{inputs.n}} ${{inputs.where}}\n"
        "echo made > ${{outputs.made}}/sub; echo single > ${{outputs.single}}; mkdir outputs; echo kept > outputs/kept",
        codeId=f"{app.context.settings.workspace_id}/codes/c/versions/1",
        inputs={
            "folder": folder("in", mode="ReadOnlyMount"),
            "file": {"jobInputType": "uri_file", "uri": f"{BLOBS}/one/file.txt"},
            "where": folder("in", mode="Direct"),
            "n": {"jobInputType": "literal", "value": "5"},
        },
        outputs={"made": {"jobOutputType": "uri_folder"}, "single": {"jobOutputType": "uri_file"}, "none": None},
    )

    assert ended["status"] == "Completed"
    assert log(app, "job1") == f"from the code\nfrom afrom file5 {BLOBS}/in/\n"
    assert app.blobs.text(f"{BLOBS}/azureml/job1/made/sub") == "made\n"
    assert app.blobs.text(f"{BLOBS}/azureml/job1/single") == "single\n"
    artifact = "azureml://datastores/workspaceartifactstore/paths/ExperimentRun/dcid.job1/outputs/kept"
    assert app.blobs.text(artifact) == "kept\n"
    assert {name: output["type"] for name, output in ended["outputs"].items()} == {
        "made": "UriFolder",
        "single": "UriFile",
        "none": "UriFolder",
    }
    assert not list((app.context.settings.state_dir / "jobs").iterdir())


async def test_outputs_go_to_their_paths(app: App) -> None:
    where = f"{BLOBS}/results/${{{{name}}}}/${{{{output_name}}}}"

    await run(
        app,
        "job1",
        command="echo x > ${{outputs.model}}/m",
        outputs={"model": {"jobOutputType": "mlflow_model", "uri": where}},
    )

    assert app.blobs.text(f"{BLOBS}/results/job1/model/m") == "x\n"


async def test_inputs_may_be_assets_and_outputs_of_other_jobs(app: App) -> None:
    app.blobs.put(f"{BLOBS}/in/a.txt", "data ")
    app.blobs.put(f"{BLOBS}/m/model.txt", "model ")
    asset = {"dataUri": f"{BLOBS}/in", "dataType": "uri_folder"}
    data = (await app.arm.put("data/d/versions/1", json={"properties": asset})).json()["id"]
    model = (await app.arm.put("models/m/versions/1", json={"properties": {"modelUri": f"{BLOBS}/m"}})).json()["id"]
    command = "echo logged; echo other > ${{outputs.o}}/o"
    await run(app, "first", command=command, outputs={"o": {"jobOutputType": "uri_folder"}})

    await run(
        app,
        "second",
        command="cat ${{inputs.data}}/* ${{inputs.model}}/* ${{inputs.other}}/o ${{inputs.log}}",
        inputs={
            "data": {"jobInputType": "uri_folder", "uri": data},
            "model": {"jobInputType": "custom_model", "uri": f"azureml:{model}"},
            "other": {"jobInputType": "uri_folder", "uri": "azureml://jobs/first/outputs/o"},
            "log": {"jobInputType": "uri_file", "uri": f"azureml://jobs/first/outputs/artifacts/paths/{STD_LOG}"},
        },
    )

    assert log(app, "second") == "data model other\nlogged\n"


async def test_a_command_knows_its_run_and_reaches_the_emulator(app: App) -> None:
    wanted = ("AZUREML_RUN_ID", "AZUREML_EXPERIMENT_NAME", "AZUREML_ARM_WORKSPACE_NAME", "HTTPS_PROXY", "OWN")
    variables = " ".join(f"${name}" for name in wanted)

    await run(
        app,
        "job1",
        command=f"echo {variables} $AZURE_ML_INPUT_n",
        experimentName="trials",
        environmentVariables={"OWN": "mine"},
        inputs={"n": {"value": 3, "jobInputType": "literal"}},
    )

    assert log(app, "job1") == "job1 trials local http://127.0.0.1:1 mine 3\n"


async def test_a_jobs_token_is_for_the_run_history(app: App) -> None:
    await run(app, "job1", command="echo $AZUREML_RUN_TOKEN")
    url = str(app.data_plane.base_url.join("runs/job1"))

    answer = await app.http.get(url, headers={"authorization": f"Bearer {log(app, 'job1').strip()}"})

    assert answer.status_code == 200


async def test_a_failure_is_shown_with_the_logs_end(app: App) -> None:
    ended = await run(app, "job1", command="echo about to fail; exit 7")

    assert ended["status"] == "Failed"
    error = ended["error"]["error"]
    assert error["code"] == "UserError"
    assert "exited with status code 7" in error["message"]
    assert error["message"].endswith("about to fail")
    assert (await app.arm.get("jobs/job1")).json()["properties"]["status"] == "Failed"


async def test_an_image_without_interpreter_is_a_build_failure(app: App) -> None:
    ended = await run(app, "job1", command="true", environmentId=await put_environment(app, "other"))

    error = ended["error"]["error"]
    assert (ended["status"], error["code"]) == ("Failed", "ImageBuildFailure")
    assert "--environment-python other=PYTHON" in error["message"]
    details = (await app.data_plane.get("runs/job1/details")).json()
    assert list(details["logFiles"]) == ["azureml-logs/20_image_build_log.txt"]


async def test_a_command_that_takes_too_long_is_cancelled(app: App, settings: Settings) -> None:
    ended = await run(app, "job1", command="sleep 60 & sleep 60", limits={"timeout": "PT0.3S"})

    assert ended["status"] == "Canceled"
    assert "timeout of 0.3 s" in ended["cancelationReason"]
    assert not processes_of(settings.state_dir)


async def test_cancelling_ends_the_whole_process_group(app: App, settings: Settings) -> None:
    await submit(app, "job1", command="echo begun; (sleep 60; echo late) & sleep 60")
    await wait_for_status(app, "job1", "Running")
    assert processes_of(settings.state_dir)

    answer = await app.arm.post("jobs/job1/cancel")

    assert answer.status_code == 202
    await wait_for(app, answer)
    assert (await get_run(app, "job1"))["status"] == "Canceled"
    assert not processes_of(settings.state_dir)
    again = await app.arm.post("jobs/job1/cancel")
    assert (again.status_code, again.content) == (200, b"")
    assert (await get_run(app, "job1"))["status"] == "Canceled"


async def test_job_slots_limit_concurrent_commands(app: App) -> None:
    for name in ("a", "b", "c"):
        await submit(app, name, command="sleep 60")
    for name in ("a", "b"):
        await wait_for_status(app, name, "Running")

    assert (await get_run(app, "c"))["status"] == "Queued"

    await app.context.jobs.cancel("a")
    await wait_for_status(app, "c", "Running")


async def test_the_log_can_be_read_while_it_grows(app: App) -> None:
    await submit(app, "job1", command="echo early; sleep 60")
    async with asyncio.timeout(STATUS_SECONDS):
        while log(app, "job1") != "early\n":
            await asyncio.sleep(0.01)

    details = (await app.data_plane.get("runs/job1/details")).json()

    assert details["status"] == "Running"
    url = details["logFiles"]["user_logs/std_log.txt"]
    assert url.startswith(
        "https://account.blob.core.windows.net/azureml/ExperimentRun/dcid.job1/user_logs/std_log.txt?"
    )
    assert "sig=" in url


async def test_running_jobs_have_failed_after_a_restart(app: App) -> None:
    await submit(app, "job1", command="sleep 60")
    await wait_for_status(app, "job1", "Running")
    await app.context.jobs.close()
    assert (await get_run(app, "job1"))["status"] == "Running"

    app.context.jobs.open({})

    ended = await get_run(app, "job1")
    assert (ended["status"], ended["error"]["error"]["code"]) == ("Failed", "RunInterrupted")


async def test_a_folder_name_can_have_spaces(app: App, settings: Settings) -> None:
    spaced = settings.state_dir / "with a space"
    spaced.mkdir()
    context = replace(app.context.jobs.context, settings=replace(settings, state_dir=spaced))
    runner = type(app.context.jobs)(context)
    runner.open({})
    app.context.__dict__["jobs"] = runner

    ended = await run(
        app,
        "job1",
        command="echo x > ${{outputs.o}}/o && cat ${{outputs.o}}/o",
        outputs={"o": {"jobOutputType": "uri_folder"}},
    )

    assert (ended["status"], log(app, "job1")) == ("Completed", "x\n")
    await runner.close()


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({"command": None}, "command"),
        ({"jobType": "Sweep"}, "Sweep"),
        ({"computeId": "/x/computes/gone"}, "gone"),
        ({"environmentId": "/x/environments/gone/versions/1"}, "environments/gone"),
        ({"codeId": "/x/codes/gone/versions/1"}, "codes/gone"),
        ({"inputs": {"a": {"jobInputType": "uri_folder", "uri": "/x/providers/y/data/gone/versions/1"}}}, "data/gone"),
        ({"inputs": {"a": {"jobInputType": "uri_folder", "uri": "ftp://example.com/x"}}}, "example.com"),
        ({"inputs": {"a": {"jobInputType": "uri_folder", "uri": "https://[x"}}}, "not a URI"),
        ({"inputs": {"a": {"jobInputType": "uri_folder", "uri": "azureml://jobs/gone/outputs/o"}}}, "gone"),
        ({"inputs": {"a": {"jobInputType": "odd", "uri": "x"}}}, "'a'"),
        ({"outputs": {"a": {"jobOutputType": "odd"}}}, "'a'"),
        ({"outputs": {"a": {"uri": f"{BLOBS}/${{{{odd}}}}"}}}, "odd"),
        ({"outputs": {"a": {"uri": "azureml://datastores/gone/paths/x"}}}, "gone"),
        ({"outputs": {"a": {"assetName": "../x"}}}, "../x"),
        ({"outputs": {"a": {"assetName": "x", "assetVersion": 1}}}, "asset 1"),
        ({"inputs": {"../a": {"value": "x"}}}, "../a"),
        ({"outputs": {"../a": {}}}, "../a"),
        ({"environmentVariables": {"a=b": "x"}}, "a=b"),
        ({"inputs": {"a": {"value": "\0"}}}, "null"),
        ({"outputs": {"a": {"uri": f"{BLOBS}/../x"}}}, ".."),
        ({"limits": {"timeout": "5"}}, "duration"),
        ({"experimentName": 1}, "experimentName"),
        ({"inputs": "x"}, "inputs"),
    ],
)
async def test_invalid_input_is_refused(app: App, properties: Document, said: str) -> None:
    answer = await submit(app, "job1", **{"command": "true", **properties})

    assert answer.status_code in (400, 501)
    assert said in answer.json()["error"]["message"]
    assert (await app.arm.get("jobs/job1")).status_code == 404


@pytest.mark.parametrize("name", ["a b", "-a", "a.b", "a" * 256])
async def test_names_of_jobs_are_checked(app: App, name: str) -> None:
    assert (await submit(app, name, command="true")).status_code == 400


async def test_a_job_shows_what_clients_read(app: App) -> None:
    submitted = (await submit(app, "job1", command="true", computeId="cpu-cluster", tags={"a": "b"})).json()

    properties = submitted["properties"]
    assert submitted["type"] == "Microsoft.MachineLearningServices/workspaces/jobs"
    assert (properties["status"], properties["experimentName"]) == ("Starting", "Default")
    assert properties["services"]["Studio"]["endpoint"].startswith(
        "https://ml.azure.com/runs/job1?wsid=/subscriptions/"
    )
    assert properties["outputs"]["default"]["uri"].endswith("workspaceartifactstore/ExperimentRun/dcid.job1")
    await app.context.jobs.wait("job1")
    ended = (await app.arm.get("jobs/job1")).json()["properties"]
    assert ended["outputs"]["default"]["uri"].endswith("workspaceartifactstore/ExperimentRun/dcid.job1")
    assert ended["status"] == "Completed"
    assert ended["properties"]["StartTimeUtc"] <= ended["properties"]["EndTimeUtc"]
    assert (await get_run(app, "job1"))["target"] == "cpu-cluster"


async def test_a_command_has_the_services_defaults(app: App) -> None:
    answer = await submit(
        app,
        "job1",
        command="true",
        inputs={
            "data": folder("in"),
            "direct": folder("in", mode="Direct"),
            "n": {"jobInputType": "literal", "value": "5"},
        },
        outputs={"made": {"jobOutputType": "uri_file"}},
        resources={"instanceCount": 2, "properties": {}},
    )

    location = answer.headers["location"].partition("?")[0]
    assert location == f"https://management.azure.com{answer.json()['id']}"
    assert set(answer.json()["systemData"]) == {"createdAt", "createdBy", "createdByType"}
    properties = answer.json()["properties"]
    # As recorded in April 2023.
    assert set(properties) == {
        *("description", "tags", "properties", "displayName", "status", "experimentName", "services", "computeId"),
        *("isArchived", "identity", "componentId", "notificationSetting", "secretsConfiguration", "jobType"),
        *("resources", "codeId", "command", "environmentId", "inputs", "outputs", "distribution", "autologgerSettings"),
        *("limits", "environmentVariables", "parameters", "queueSettings"),
    }
    assert properties["inputs"] == {
        "data": {**folder("in"), "description": None, "mode": "ReadOnlyMount"},
        "direct": {**folder("in"), "description": None, "mode": "Direct"},
        "n": {"description": None, "jobInputType": "literal", "value": "5"},
    }
    made = {"uri": None, "assetName": None, "assetVersion": None, "autoDeleteSetting": None, "description": None}
    assert properties["outputs"]["made"] == {**made, "mode": "ReadWriteMount", "jobOutputType": "uri_file"}
    assert set(properties["outputs"]["default"]) == set(properties["outputs"]["made"])
    assert properties["resources"] == {
        "instanceCount": 2,
        "maxInstanceCount": None,
        "instanceType": None,
        "locations": None,
        "properties": None,
        "shmSize": "2g",
        "dockerArgs": None,
    }
    assert properties["services"]["Tracking"]["nodes"] is None
    nulls = ("computeId", "identity", "componentId", "codeId", "distribution", "limits", "queueSettings")
    assert {name: properties[name] for name in nulls} == dict.fromkeys(nulls)
    assert properties["properties"]["_azureml.ComputeTargetType"] == "amlctrain"


async def test_a_status_follows_the_other_as_in_the_service(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def advance(run_id: str, status: str) -> None:
        seen.append(str(status))
        Runs.advance(app.context.runs, run_id, Status(status))

    monkeypatch.setattr(app.context.runs, "advance", advance)

    first = (await submit(app, "job1", command="true")).json()["properties"]["status"]
    await app.context.jobs.wait("job1")

    last = (await get_run(app, "job1"))["status"]
    assert [first, *seen, last] == ["Starting", "Preparing", "Queued", "Running", "Finalizing", "Completed"]


async def test_only_names_and_tags_of_a_job_change(app: App) -> None:
    await run(app, "job1", command="echo once")

    changed = await submit(app, "job1", command="echo twice", displayName="new", tags={"a": "b"}, isArchived=True)

    assert changed.status_code == 200
    assert changed.json()["properties"]["command"] == "echo once"
    assert changed.json()["properties"]["displayName"] == "new"
    assert changed.json()["properties"]["tags"] == {"a": "b"}
    assert log(app, "job1") == "once\n"


async def test_a_change_keeps_the_properties_that_the_service_gave(app: App) -> None:
    await run(app, "job1", command="true")

    changed = await submit(app, "job1", command="true", properties={"mine": "1"})

    properties = changed.json()["properties"]["properties"]
    assert (properties["mine"], properties["_azureml.ComputeTargetType"]) == ("1", "amlctrain")


async def test_jobs_are_listed(app: App) -> None:
    async def names(**query: str) -> list[str]:
        return [job["name"] for job in (await app.arm.get("jobs", params=query)).json()["value"]]

    for name in ("first", "second", "third"):
        await run(app, name, command="true", tags={"odd": "yes"} if name != "second" else {})
    await app.data_plane.patch("experiments/Default/runs/third", json={"hidden": True})

    assert await names() == ["second", "first"]
    assert await names(listViewType="ArchivedOnly") == ["third"]
    assert await names(listViewType="All", tag="odd") == ["third", "first"]
    assert await names(jobType="Pipeline") == []
    assert (await app.arm.get("jobs", params={"listViewType": "Sideways"})).status_code == 400


async def test_jobs_are_listed_in_pages(app: App) -> None:
    for name in ("first", "second", "third"):
        await run(app, name, command="true")

    page = (await app.arm.get("jobs", params={"$top": "2"})).json()

    assert [job["name"] for job in page["value"]] == ["third", "second"]
    assert {"resources", "services"} <= set(page["value"][0]["properties"])


async def test_a_job_is_deleted_when_it_has_ended(app: App) -> None:
    await submit(app, "job1", command="sleep 60")
    assert (await app.arm.delete("jobs/job1")).status_code == 409
    await app.context.jobs.cancel("job1")

    assert (await app.arm.delete("jobs/job1")).status_code == 200
    assert (await app.arm.delete("jobs/job1")).status_code == 204

    assert (await app.arm.get("jobs/job1")).status_code == 404
    assert (await app.data_plane.get("runs/job1")).status_code == 404


async def test_process_arguments_do_not_show_the_command(app: App, settings: Settings) -> None:
    await submit(app, "job1", command="echo $PPID; sleep 60 # password")
    await wait_for_status(app, "job1", "Running")

    for pid in processes_of(settings.state_dir):
        assert b"password" not in Path(f"/proc/{pid}/cmdline").read_bytes()


async def test_an_interpreter_of_an_environment_comes_first(app: App) -> None:
    await run(app, "job1", command="python -c 'import sys; print(sys.executable)'")

    assert Path(log(app, "job1").strip()) == Path(sys.executable)


async def test_a_reset_workspace_has_no_jobs(app: App, settings: Settings) -> None:
    await submit(app, "job1", command="sleep 60")
    await wait_for_status(app, "job1", "Running")

    await app.context.jobs.clear()

    assert (await app.arm.get("jobs/job1")).status_code == 404
    assert not processes_of(settings.state_dir)


async def test_the_values_of_inputs_are_in_the_environment_and_no_uri_is_in_a_path(app: App) -> None:
    app.blobs.put(f"{BLOBS}/it's $(x)/a.txt", "data")
    await run(
        app,
        "job1",
        command="cat '${{inputs.folder}}/a.txt'; printf '|%s|' \"$AZUREML_PARAMETER_text\";"
        " basename '${{inputs.folder}}'",
        inputs={
            "folder": folder("it's $(x)"),
            "text": {"jobInputType": "literal", "value": "it's\n$(y)"},
        },
    )

    assert log(app, "job1") == "data|it's\n$(y)|INPUT_folder\n"


async def test_a_curated_environment_is_resolved_and_found(app: App) -> None:
    own = (await app.arm.put("environments/AzureML-own/versions/1", json={"properties": {"image": "an/image"}})).json()

    for name, reference, resolved in (
        ("a", "azureml:AzureML-own@latest", own["id"]),
        (
            "b",
            "azureml://registries/azureml/environments/responsibleai-tabular/labels/latest",
            "azureml://registries/azureml/environments/responsibleai-tabular/versions/1",
        ),
    ):
        answer = await submit(app, name, command="true", environmentId=reference)
        assert answer.status_code == 201
        assert answer.json()["properties"]["environmentId"] == resolved
        await app.context.jobs.wait(name)
        error = (await get_run(app, name))["error"]["error"]
        assert error["code"] == "ImageBuildFailure"
        assert "--environment-python" in error["message"]


async def test_a_job_shows_a_curated_environment_as_it_was_named(app: App) -> None:
    reference = "azureml:AzureML-sklearn-1.0-ubuntu20.04-py38-cpu:33"

    answer = await submit(app, "a", command="true", environmentId=reference)

    assert answer.json()["properties"]["environmentId"] == reference
    assert (await app.arm.get("jobs/a")).json()["properties"]["environmentId"] == reference


async def test_what_a_build_changed_is_in_its_log(app: App, settings: Settings, tmp_path: Path) -> None:
    built = {"image": "an/image", "condaFile": "dependencies: [pip=20.0]"}
    environment = (await app.arm.put("environments/built/versions/1", json={"properties": built})).json()["id"]

    ended = await run(app, "job1", command="true", environmentId=environment)

    assert ended["status"] == "Completed"
    written = app.blobs.text(
        "azureml://datastores/workspaceartifactstore/paths/ExperimentRun/dcid.job1/azureml-logs/20_image_build_log.txt"
    )
    assert written == "conda package pip=20.0: uv installs the packages, no pip is needed\n"


@pytest.mark.parametrize(
    ("kind", "collection", "place"),
    [("uri_folder", "data", "dataUri"), ("uri_file", "data", "dataUri"), ("custom_model", "models", "modelUri")],
)
async def test_an_output_becomes_an_asset_when_the_job_has_completed(
    app: App, kind: str, collection: str, place: str
) -> None:
    async def made(name: str, code: int, **asset: str) -> str:
        command = f"echo x > ${{{{outputs.o}}}}{'' if kind == 'uri_file' else '/x'}; exit {code}"
        outputs = {"o": {"jobOutputType": kind, "assetName": "made", **asset}}
        return str((await run(app, name, command=command, outputs=outputs))["status"])

    assert await made("failed", 1, assetVersion="5") == "Failed"
    assert (await app.arm.get(f"{collection}/made/versions/5")).status_code == 404
    assert await made("one", 0, assetVersion="5") == "Completed"
    assert await made("two", 0) == "Completed"
    assert await made("three", 0, assetVersion="5") == "Failed"
    assert "made:5 exists" in (await get_run(app, "three"))["error"]["error"]["message"]

    first, second = [
        (await app.arm.get(f"{collection}/made/versions/{version}")).json()["properties"] for version in ("5", "6")
    ]
    assert (first["isArchived"], first["isAnonymous"]) == (False, False)
    assert "/one/o" in first[place]
    assert "/two/o" in second[place]
    asset = f"{app.context.settings.workspace_id}/{collection}/made/versions/6"
    shown = await run(
        app, "reads", command="cat $(find ${{inputs.i}} -type f)", inputs={"i": {"jobInputType": kind, "uri": asset}}
    )
    assert (shown["status"], log(app, "reads")) == ("Completed", "x\n")


async def test_a_value_longer_than_the_argument_limit_fails_the_job(app: App) -> None:
    ended = await run(app, "job1", command="true", inputs={"text": {"jobInputType": "literal", "value": "x" * 140_000}})

    assert ended["status"] == "Failed"
    error = app.context.jobs.context.runs.get("job1").error
    assert error["message"] == "The command cannot be started: Argument list too long."
