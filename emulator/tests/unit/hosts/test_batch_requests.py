from __future__ import annotations

from typing import Any

import httpx
import pytest

from emulator_app import App
from endpoint_requests import wait_for
from job_requests import BLOBS, Document, children, get_run, log, node, put_component, put_environment, wait_for_status

pytestmark = pytest.mark.anyio

SCORING = "https://digits.eastus.inference.ml.azure.com/jobs"
CODE = "https://account.blob.core.windows.net/code-1/src"
SCORE = """
import os
from pathlib import Path

def init():
    global weight
    weight = int((Path(os.environ["AZUREML_MODEL_DIR"]) / "model" / "weight.txt").read_text())
    print("hello from init", os.environ.get("COLOUR"))

def run(mini_batch):
    print("a mini-batch of", len(mini_batch))
    if os.environ.get("COLOUR") == "red" and "b.txt" in str(mini_batch):
        raise ValueError("red")
    return [f"{Path(file).name} {weight * int(Path(file).read_text())}" for file in mini_batch]
"""
# As much of pandas as matters.
DATA_FRAME = """
class DataFrame(list):
    def to_csv(self, file, sep, header, index):
        print(repr(sep), header, index, file=file)

def init():
    pass

def run(mini_batch):
    return DataFrame(mini_batch)
"""
FOLDER = {"jobInputType": "UriFolder", "uri": f"{BLOBS}/in/"}


async def put_batch(app: App, path: str, **properties: Any) -> httpx.Response:
    answer = await app.arm.put(f"batchEndpoints/digits{path}", json={"properties": properties, "location": "eastus"})
    if answer.is_success:
        await wait_for(app, answer)
    return answer


async def put_assets(app: App, script: str = SCORE) -> Document:
    """Lay out a model, a scoring script and three inputs; return what a deployment says of them."""
    for file, number in (("a", 1), ("b", 2), ("c", 3)):
        app.blobs.put(f"{BLOBS}/in/{file}.txt", str(number))
    app.blobs.put(f"{BLOBS}/m/model/weight.txt", "10")
    app.blobs.put(f"{CODE}/score.py", script)
    code = (await app.arm.put("codes/c/versions/1", json={"properties": {"codeUri": CODE}})).json()["id"]
    model = {"modelUri": f"{BLOBS}/m/model"}
    model_id = (await app.arm.put("models/m/versions/1", json={"properties": model})).json()["id"]
    return {
        "model": {"referenceType": "Id", "assetId": model_id},
        "codeConfiguration": {"codeId": code, "scoringScript": "score.py"},
        "environmentId": await put_environment(app),
        "compute": f"{app.context.settings.workspace_id}/computes/cpu-cluster",
    }


async def deploy(app: App, script: str = SCORE, **properties: Any) -> Document:
    """Make the endpoint with a default deployment."""
    settings = {**(await put_assets(app, script)), **properties}
    await put_batch(app, "", authMode="aadToken")
    deployed = await put_batch(app, "/deployments/blue", **settings)
    assert deployed.status_code == 201, deployed.text
    await put_batch(app, "", authMode="aadToken", defaults={"deploymentName": "blue"})
    return settings


async def invoke(app: App, headers: dict[str, str] | None = None, **properties: Any) -> httpx.Response:
    body = {"properties": {"inputData": {"UriFolder": FOLDER}, **properties}}
    return await app.data_plane.post(SCORING, json=body, headers=headers)


async def score(app: App, **properties: Any) -> tuple[Document, Document]:
    """Score the folder; return the runs of the job and of its only node."""
    answer = await invoke(app, **properties)
    assert answer.status_code == 201, answer.text
    name = answer.json()["name"]
    await app.context.jobs.wait(name)
    return await get_run(app, name), (await children(app, name))["batchscoring"]


async def test_a_folder_is_scored_in_mini_batches(app: App) -> None:
    await deploy(app, miniBatchSize=2, environmentVariables={"COLOUR": "blue"})

    job, scoring = await score(app)

    assert (job["status"], scoring["status"]) == ("Completed", "Completed")
    assert (
        app.blobs.text(f"{BLOBS}/azureml/{scoring['runId']}/score/predictions.csv") == "a.txt 10\nb.txt 20\nc.txt 30\n"
    )
    printed = log(app, scoring["runId"]).splitlines()
    assert printed[:3] == ["hello from init blue", "a mini-batch of 2", "a mini-batch of 1"]
    assert (list(job["outputs"]), list(scoring["outputs"])) == (["score"], ["score"])
    # With "azureml.jobtype", azure-ai-ml would not look for the predictions in the child run.
    assert job["tags"] == {"azureml.batchrun": "true", "azureml.deploymentname": "blue"}
    shown = (await app.arm.get(f"jobs/{job['runId']}")).json()["properties"]
    assert (shown["jobType"], shown["experimentName"]) == ("Pipeline", "digits")


async def test_a_batch_request_can_override_settings(app: App) -> None:
    await deploy(app)

    job, scoring = await score(
        app,
        name="mine",
        miniBatchSize=1,
        outputData={"o": {"jobOutputType": "UriFile", "uri": f"{BLOBS}/results/rows.txt"}},
        properties={"experimentName": "trials"},
    )

    assert job["runId"] == "mine"
    assert app.blobs.text(f"{BLOBS}/results/rows.txt") == "a.txt 10\nb.txt 20\nc.txt 30\n"
    assert log(app, scoring["runId"]).count("a mini-batch of 1") == 3
    assert (await invoke(app, name="mine")).status_code == 409


async def test_a_single_file_is_scored(app: App) -> None:
    await deploy(app, outputAction="SummaryOnly")

    _, scoring = await score(app, inputData={"f": {"jobInputType": "UriFile", "uri": f"{BLOBS}/in/b.txt"}})

    assert "1 inputs were scored, 0 failed" in log(app, scoring["runId"])
    assert app.blobs.text(f"{BLOBS}/azureml/{scoring['runId']}/score/predictions.csv") is None


@pytest.mark.parametrize(("threshold", "status", "rows"), [(-1, "Completed", 2), (1, "Completed", 2), (0, "Failed", 1)])
async def test_the_error_threshold_limits_failed_inputs(app: App, threshold: int, status: str, rows: int) -> None:
    await deploy(
        app,
        miniBatchSize=1,
        errorThreshold=threshold,
        environmentVariables={"COLOUR": "red"},
        retrySettings={"maxRetries": 1},
    )

    job, scoring = await score(app)

    assert job["status"] == status
    assert log(app, scoring["runId"]).count("ValueError: red") == 2
    written = app.blobs.text(f"{BLOBS}/azureml/{scoring['runId']}/score/predictions.csv")
    assert (written is None) if status == "Failed" else (written and written.count("\n") == rows)


async def test_a_slow_mini_batch_is_given_up(app: App) -> None:
    await deploy(
        app,
        "import time\ndef init(): pass\ndef run(mini_batch): time.sleep(60)\n",
        retrySettings={"maxRetries": 0, "timeout": "PT0.2S"},
    )

    _, scoring = await score(app)

    assert "took longer than 0.2 seconds" in log(app, scoring["runId"])
    assert "0 inputs were scored, 3 failed" in log(app, scoring["runId"])


async def test_a_failure_in_init_fails_the_job(app: App) -> None:
    await deploy(app, "def init(): raise RuntimeError('no luck')\n")

    job, scoring = await score(app)

    assert (job["status"], scoring["status"]) == ("Failed", "Failed")
    assert "no luck" in scoring["error"]["error"]["message"]


@pytest.mark.parametrize("file", [f"{CODE}/score.py", f"{CODE}/added.py", f"{BLOBS}/m/model/weight.txt"])
async def test_assets_changed_after_registration_are_not_run(app: App, file: str) -> None:
    await deploy(app)
    app.blobs.put(file, "print('mallory was here')\n")

    job, scoring = await score(app)

    assert (job["status"], scoring["status"]) == ("Failed", "Failed")
    assert "were changed after registration" in str(scoring["error"])
    assert "mallory" not in str(app.blobs.contents["azureml"])


async def test_data_frames_are_written_with_spaces(app: App) -> None:
    await deploy(app, DATA_FRAME)

    _, scoring = await score(app)

    written = app.blobs.text(f"{BLOBS}/azureml/{scoring['runId']}/score/predictions.csv")
    assert written == "' ' False False\n"
    assert "3 inputs were scored, 0 failed" in log(app, scoring["runId"])


async def test_the_header_chooses_a_deployment(app: App) -> None:
    settings = await deploy(app, environmentVariables={"COLOUR": "blue"})
    await put_batch(app, "/deployments/green", **{**settings, "environmentVariables": {"COLOUR": "green"}})

    answer = await invoke(app, {"azureml-model-deployment": "green"}, name="by-header")

    await app.context.jobs.wait(answer.json()["name"])
    assert "from init green" in log(app, (await children(app, "by-header"))["batchscoring"]["runId"])
    assert (await invoke(app, {"azureml-model-deployment": "red"})).status_code == 404


async def test_a_pipeline_component_can_be_deployed(app: App) -> None:
    count = await put_component(
        app, "count", command="ls ${{inputs.folder}} | wc -l", inputs={"folder": {"type": "uri_folder"}}
    )
    jobs = {"count": node(count, {"folder": "${{parent.inputs.folder}}"})}
    whole = await put_component(app, "whole", type="pipeline", inputs={"folder": {"type": "uri_folder"}}, jobs=jobs)
    await put_assets(app)
    await put_batch(app, "", authMode="aadToken")
    configuration = {"deploymentConfigurationType": "PipelineComponent", "componentId": {"assetId": whole}}
    deployed = await put_batch(app, "/deployments/blue", deploymentConfiguration=configuration, miniBatchSize=10)
    # Recorded 2024: what is for models only is not kept.
    shown = deployed.json()["properties"]
    assert (shown["miniBatchSize"], shown["outputAction"], shown["model"]) == (0, "SummaryOnly", None)

    answer = await invoke(app, {"azureml-model-deployment": "blue"}, name="p", inputData={"folder": FOLDER})

    assert answer.status_code == 201, answer.text
    assert answer.json()["properties"]["tags"]["azureml.jobtype"] == "azureml.pipelinejob"
    assert answer.json()["id"].endswith("/batchEndpoints//jobs/p")
    assert answer.json()["type"] == "Microsoft.MachineLearningServices/workspaces/batchEndpoints/jobs"
    await app.context.jobs.wait("p")
    assert log(app, (await children(app, "p"))["count"]["runId"]).strip() == "3"


async def test_jobs_of_endpoints_and_deployments_are_listed(app: App) -> None:
    await deploy(app)
    for name in ("first", "second"):
        await score(app, name=name)
    base = f"https://eastus.api.azureml.ms/mferp/managementfrontend{app.context.settings.workspace_id}"

    async def names(path: str) -> list[str]:
        return [job["name"] for job in (await app.data_plane.get(f"{base}/batchEndpoints/{path}/jobs")).json()["value"]]

    assert await names("digits") == ["second", "first"]
    assert await names("digits/deployments/blue") == ["second", "first"]
    assert await names("digits/deployments/green") == []


async def test_the_answer_to_a_request_tells_how_it_is_scored(app: App) -> None:
    await deploy(app)

    answer = await invoke(app, name="asked", miniBatchSize=2)
    await app.context.jobs.wait("asked")

    job, base = answer.json(), f"{app.context.settings.workspace_id}/batchEndpoints/digits/deployments/blue"
    assert (job["id"], job["type"].split("/", 1)[1]) == (
        f"{base}/jobs/asked",
        "workspaces/batchEndpoints/deployments/jobs",
    )
    assert answer.headers["azureml-model-deployment"] == "blue"
    assert answer.headers["location"].startswith(f"https://eastus.api.azureml.ms/mferp/managementfrontend{base}?")
    shown = job["properties"]
    assert (shown["miniBatchSize"], shown["retrySettings"]["maxRetries"], shown["status"]) == (2, 3, "Preparing")
    assert shown["inputData"] == {"UriFolder": {"description": None, "mode": "ReadOnlyMount", **FOLDER}}
    assert shown["compute"]["target"].endswith("/computes/cpu-cluster")
    assert shown["interactionEndpoints"]["Studio"]["endpoint"].startswith("https://ml.azure.com/runs/asked?")
    assert "jobType" not in shown


async def test_a_dataset_says_where_predictions_go(app: App) -> None:
    await deploy(app)
    datastore = f"{app.context.settings.workspace_id}/datastores/workspaceblobstore"

    await score(app, name="placed", outputDataset={"datastoreId": datastore, "path": "results"})
    missing = await invoke(app, outputDataset={"datastoreId": f"{datastore}0", "path": "results"})

    written = app.blobs.text("https://account.blob.core.windows.net/azureml-blobstore/results/predictions.csv")
    assert written == "a.txt 10\nb.txt 20\nc.txt 30\n"
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "UserError")
    assert missing.json()["error"]["message"] == "Could not find datastore: workspaceblobstore0."


async def test_lists_tell_where_the_predictions_of_a_job_are(app: App) -> None:
    await deploy(app)
    datastore = f"{app.context.settings.workspace_id}/datastores/workspaceblobstore"
    await score(app, name="listed", outputDataset={"datastoreId": datastore, "path": "results"})
    path = f"{app.context.settings.workspace_id}/batchEndpoints/digits/deployments/blue"

    listed = await app.data_plane.get(f"https://eastus.api.azureml.ms/mferp/managementfrontend{path}/jobs")

    [job] = listed.json()["value"]
    shown = job["properties"]
    assert (job["id"], shown["status"], shown["outputFileName"]) == (
        f"{path}/jobs/listed",
        "Completed",
        "predictions.csv",
    )
    assert (shown["outputDataset"]["datastoreId"], shown["outputDataset"]["path"]) == (datastore, "results")
    assert shown["output"]["path"] == "ExperimentRun/dcid.listed"
    assert list(job["systemData"]) == ["createdAt", "createdBy", "createdByType"]
    assert "inputData" not in shown


async def test_a_job_that_scores_can_be_cancelled(app: App) -> None:
    await deploy(app, "import time\ndef init(): time.sleep(60)\n")
    name = (await invoke(app)).json()["name"]
    await wait_for_status(app, name, "Running")

    await app.context.jobs.cancel(name)

    assert (await get_run(app, name))["status"] == "Canceled"


async def test_nobody_scores_without_a_token(app: App) -> None:
    await deploy(app)

    assert (await app.http.post(SCORING, json={})).status_code == 401
    assert (await app.http.post(SCORING.replace("digits", "other"), json={})).status_code == 404


@pytest.mark.parametrize(
    "changed",
    [
        {"inputData": {}},
        {"inputData": {"a": FOLDER, "b": FOLDER}},
        {"inputData": {"a": {"jobInputType": "MLTable", "uri": f"{BLOBS}/in"}}},
        {"inputData": {"a": {"jobInputType": "UriFolder", "uri": "ftp://example.com/x"}}},
        {"inputData": {"a": {"jobInputType": "Odd"}}},
        {"miniBatchSize": 0},
        {"errorThreshold": "many"},
        {"outputFileName": "../x"},
        {"retrySettings": {"timeout": "soon"}},
        {"outputData": {"o": {"jobOutputType": "UriFile"}}},
        {"name": "a b"},
    ],
)
async def test_an_invalid_request_is_refused(app: App, changed: Document) -> None:
    await deploy(app)

    assert (await invoke(app, **changed)).status_code == 400
    assert (await app.arm.get("jobs")).json()["value"] == []


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"model": None}, 400),
        ({"model": {"assetId": "/x/models/gone/versions/1"}}, 400),
        ({"codeConfiguration": None}, 501),
        ({"environmentId": None}, 501),
        ({"environmentId": "/x/environments/gone/versions/1"}, 400),
        ({"codeConfiguration": {"codeId": "/x/codes/gone/versions/1", "scoringScript": "score.py"}}, 400),
        ({"compute": "gone"}, 400),
        ({"miniBatchSize": 0}, 400),
        ({"miniBatchSize": True}, 400),
        ({"outputAction": "Odd"}, 400),
        ({"outputFileName": "a/b"}, 400),
        ({"outputFileName": ".."}, 400),
        ({"retrySettings": {"maxRetries": "x"}}, 400),
        ({"environmentVariables": {"a=b": "x"}}, 400),
        ({"deploymentConfiguration": {"componentId": {"assetId": "gone"}}}, 400),
    ],
)
async def test_an_invalid_deployment_is_refused(app: App, changed: Document, status: int) -> None:
    settings = await put_assets(app)
    await put_batch(app, "", authMode="aadToken")

    assert (await put_batch(app, "/deployments/blue", **{**settings, **changed})).status_code == status


async def test_scripts_stay_in_their_folder(app: App) -> None:
    settings = await put_assets(app)
    await put_batch(app, "", authMode="aadToken")
    for script in ("../score.py", "/score.py", ""):
        code = {**settings["codeConfiguration"], "scoringScript": script}
        answer = await put_batch(app, "/deployments/blue", **{**settings, "codeConfiguration": code})
        assert answer.status_code == 400


async def test_an_endpoint_and_its_deployments_come_and_go(app: App) -> None:
    await deploy(app)
    endpoint = (await app.arm.get("batchEndpoints/digits")).json()
    assert endpoint["properties"]["scoringUri"] == SCORING
    assert endpoint["properties"]["defaults"] == {"deploymentName": "blue"}
    assert [found["name"] for found in (await app.arm.get("batchEndpoints")).json()["value"]] == ["digits"]
    listed = (await app.arm.get("batchEndpoints/digits/deployments")).json()["value"]
    assert [found["properties"]["miniBatchSize"] for found in listed] == [10]
    blue = "batchEndpoints/digits/deployments/blue"
    assert (await app.arm.delete(blue)).status_code == 400
    refused = await put_batch(app, "", authMode="aadToken", defaults={"deploymentName": "gone"})
    assert refused.status_code == 400

    await put_batch(app, "", authMode="aadToken")
    for path in (blue, "batchEndpoints/digits"):
        answer = await app.arm.delete(path)
        await wait_for(app, answer)
        assert (await app.arm.get(path)).status_code == 404
        assert (await app.arm.delete(path)).status_code in (204, 404)


async def test_other_endpoints_are_refused(app: App) -> None:
    await app.arm.put("onlineEndpoints/digits", json={"properties": {"authMode": "Key"}})

    assert (await put_batch(app, "", authMode="aadToken")).status_code == 400
    answer = await app.arm.put("batchEndpoints/other", json={"properties": {"authMode": "Key"}})
    assert answer.status_code == 400
