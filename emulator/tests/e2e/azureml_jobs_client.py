"""A user's program: azure-ai-ml registers components, runs jobs, gets results.

It runs in a process of its own, with the environment that leads to the emulator, and writes what it saw as JSON.
"""

import contextlib
import io
import json
import os
import re
import sys
import time
from pathlib import Path

from azure.ai.ml import Input, MLClient, Output, command, dsl
from azure.ai.ml.constants import AssetTypes, BatchDeploymentOutputAction
from azure.ai.ml.dsl._condition import condition
from azure.ai.ml.entities import (
    AmlCompute,
    BatchEndpoint,
    CodeConfiguration,
    CommandComponent,
    ComputeInstance,
    Data,
    Environment,
    Model,
    ModelBatchDeployment,
    ModelBatchDeploymentSettings,
)
from azure.ai.ml.exceptions import JobException
from azure.core.exceptions import HttpResponseError
from azure.identity import ClientSecretCredential

FOLDER = AssetTypes.URI_FOLDER
Seen = dict[str, object]


def main(folder: Path, resource_group: str, workspace: str) -> Seen:
    credential = ClientSecretCredential(
        os.environ["AZ_TENANT_ID"], os.environ["AZ_CLIENT_ID"], os.environ["AZ_CLIENT_SECRET"]
    )
    client = MLClient(credential, os.environ["AZ_SUBSCRIPTION_ID"], resource_group, workspace, enable_telemetry=False)
    client.environments.create_or_update(
        Environment(name="built", version="1", image="any/image", conda_file=folder / "conda.yaml")
    )
    client.environments.create_or_update(Environment(name="suite", version="1", image="registry/suite:1.0"))
    return {
        "data": data(client, folder),
        "computes": computes(client),
        "command": run_command(client, folder),
        "failure": fail(client, folder),
        "refusals": refusals(client),
        "cancelled": cancel(client),
        "components": components(client, folder),
        "pipeline": run_pipeline(client, folder),
        "batch": score_batch(client, folder),
        "listed": [job.status for job in client.jobs.list()],
    }


def data(client: MLClient, folder: Path) -> Seen:
    for _ in range(2):
        client.data.create_or_update(Data(name="numbers", path=folder / "in", type=FOLDER))
    client.data.archive("numbers", "1")
    found = client.data.get("numbers", label="latest")
    return {
        "names": [asset.name for asset in client.data.list()],
        "active": [asset.version for asset in client.data.list("numbers")],
        "latest": [found.version, found.type],
    }


def computes(client: MLClient) -> Seen:
    cluster = AmlCompute(name="big", size="Standard_DS4_v2", max_instances=3, idle_time_before_scale_down=90)
    cluster = client.compute.begin_create_or_update(cluster).result()
    client.compute.begin_create_or_update(ComputeInstance(name="mine", size="Standard_DS3_v2")).result()
    client.compute.begin_stop("mine").wait()
    seen: Seen = {
        "cluster": [cluster.size, cluster.max_instances, cluster.idle_time_before_scale_down],
        "instance": client.compute.get("mine").state,
        "sizes": "Standard_DS3_v2" in [size.name for size in client.compute.list_sizes()],
        "usage": "standardDSv2Family" in [usage.name["value"] for usage in client.compute.list_usage()],
    }
    client.compute.begin_delete("big").wait()
    return {**seen, "listed": [compute.name for compute in client.compute.list()]}


def run_command(client: MLClient, folder: Path) -> Seen:
    job = client.jobs.create_or_update(
        command(
            command="python step.py ${{inputs.numbers}} ${{inputs.factor}} $[[--never ${{inputs.never}}]]"
            " ${{outputs.sums}}; sleep 3",
            code=folder / "code",
            environment="built:1",
            inputs={"numbers": Input(type=FOLDER, path="azureml:numbers:2"), "factor": 10},
            outputs={"sums": Output(type=FOLDER)},
            compute="cpu-cluster",
            experiment_name="trials",
        )
    )
    streamed = stream(client, job.name)
    found = client.jobs.get(job.name)
    client.jobs.download(job.name, download_path=folder / "command")
    client.jobs.download(job.name, download_path=folder / "command", output_name="sums")
    client.jobs.archive(job.name)
    return {
        "streamed": "the sum is 60" in streamed,
        "status": found.status,
        "compute": found.compute,
        "experiment": found.experiment_name,
        "link": found.services["Studio"].endpoint.startswith("https://ml.azure.com/runs/"),
        "outputs": sorted(found.outputs),
        "downloaded": files(folder / "command"),
        "listed": job.name in [listed.name for listed in client.jobs.list()],
    }


def fail(client: MLClient, folder: Path) -> Seen:
    job = client.jobs.create_or_update(
        command(command="echo no luck; exit 3", code=folder / "code", environment="built:1")
    )
    try:
        stream(client, job.name)
    except JobException as error:
        return {"exit code": "status code 3" in str(error), "log": "no luck" in str(error)}
    return {}


def refusals(client: MLClient) -> Seen:
    seen: Seen = {}
    try:
        client.jobs.create_or_update(command(command="true", environment="built:1", compute="gone"))
    except HttpResponseError as error:
        seen["compute"] = error.status_code
    client.environments.create_or_update(Environment(name="image", version="1", image="no/python"))
    job = client.jobs.create_or_update(command(command="true", environment="image:1"))
    try:
        stream(client, job.name)
    except JobException as error:
        seen["image"] = "ImageBuildFailure" in str(error)
    return seen


def cancel(client: MLClient) -> object:
    job = client.jobs.create_or_update(command(command="sleep 600", environment="built:1"))
    while client.jobs.get(job.name).status != "Running":
        time.sleep(0.2)
    client.jobs.begin_cancel(job.name).result()
    return client.jobs.get(job.name).status


def component(folder: Path, name: str, line: str, environment: str = "built:1", **io: dict[str, object]) -> object:
    return CommandComponent(name=name, command=line, code=folder / "code", environment=environment, **io)


def components(client: MLClient, folder: Path) -> Seen:
    def register(line: str) -> object:
        return client.components.create_or_update(
            component(
                folder,
                "add",
                line,
                inputs={"numbers": Input(type=FOLDER), "factor": Input(type="integer", default=2)},
                outputs={"sums": Output(type=FOLDER)},
            )
        )

    first = register("python step.py ${{inputs.numbers}} ${{inputs.factor}} ${{outputs.sums}}")
    same = client.components.create_or_update(first)
    try:
        first.command = "false"
        client.components.create_or_update(first)
        changed = 200
    except HttpResponseError as error:
        changed = error.status_code
    second = register("echo never")
    client.components.archive("add", second.version)
    return {
        "versions": [first.version, same.version],
        "next version is a time": bool(re.fullmatch(r"\d{4}(-\d\d){5}-\d{7}", second.version)),
        "changed version": changed,
        "names": [found.name for found in client.components.list()],
        "active": [found.version for found in client.components.list("add")],
        "default": client.components.get("add").version,
        "by version": client.components.get("add", second.version).version == second.version,
    }


def run_pipeline(client: MLClient, folder: Path) -> Seen:
    # Not the default version: its id is that of a label, which azure-ai-ml 1.35 refuses within a nested pipeline.
    add = client.components.get("add", "1")
    text = {"text": Input(type="string")}
    decide = component(
        folder, "decide", "python decide.py ${{inputs.text}}", inputs=text, outputs={"flag": Output(type="boolean")}
    )
    look = component(
        folder,
        "look",
        "python look.py ${{inputs.numbers}} ${{outputs.found}}",
        environment="suite:1",
        inputs={"numbers": Input(type=FOLDER)},
        outputs={"found": Output(type=AssetTypes.URI_FILE)},
    )
    never = component(folder, "never", "exit 1", inputs=text)

    @dsl.pipeline()
    def twice(numbers: Input(type=FOLDER)):  # type: ignore[valid-type]
        once = add(numbers=numbers)
        again = add(numbers=once.outputs.sums, factor=3)
        return {"sums": again.outputs.sums}

    @dsl.pipeline(default_compute="cpu-cluster")
    def whole(numbers: Input(type=FOLDER), word: str = "yes"):  # type: ignore[valid-type]
        inner = twice(numbers=numbers)
        looked = look(numbers=inner.outputs.sums)
        looked.compute = "serverless"
        decided = decide(text=word)
        condition(decided.outputs.flag, true_block=add(numbers=inner.outputs.sums), false_block=never(text=word))
        return {"sums": inner.outputs.sums, "found": looked.outputs.found}

    job = whole(numbers=Input(type=FOLDER, path=folder / "in"))
    job.outputs.found.path = "azureml://datastores/workspaceblobstore/paths/results/${{name}}/found.json"
    job = client.jobs.create_or_update(job, experiment_name="pipeline_samples")
    streamed = stream(client, job.name)
    nodes = {node.display_name: node for node in client.jobs.list(parent_job_name=job.name)}
    client.jobs.download(job.name, download_path=folder / "pipeline", all=True)
    run = client.jobs._runs_operations.get_run_data(job.name).run_metadata
    places = client.jobs._dataset_dataplane_operations.get_batch_dataset_uris(
        [output.asset_id for output in run.outputs.values()]
    )
    found = next(place.uri for place in places.values_property.values() if place.uri.endswith("found.json"))
    return {
        "status": client.jobs.get(job.name).status,
        "streamed": "decided is Completed" in streamed,
        "nodes": {name: node.status for name, node in sorted(nodes.items())},
        "inner": [node.status for node in client.jobs.list(parent_job_name=nodes["inner"].name)],
        "outputs": {name: output.type for name, output in sorted(run.outputs.items())},
        "found where it should be": found.endswith(f"results/{job.name}/found.json"),
        "artifacts": files(folder / "pipeline"),
    }


def score_batch(client: MLClient, folder: Path) -> Seen:
    client.batch_endpoints.begin_create_or_update(BatchEndpoint(name="scores")).result()
    model = client.models.create_or_update(Model(name="weights", path=folder / "model", type="custom_model"))
    deployment = ModelBatchDeployment(
        name="blue",
        endpoint_name="scores",
        model=model,
        environment="built:1",
        code_configuration=CodeConfiguration(code=str(folder / "batch"), scoring_script="score.py"),
        compute="cpu-cluster",
        settings=ModelBatchDeploymentSettings(mini_batch_size=1, output_action=BatchDeploymentOutputAction.APPEND_ROW),
    )
    deployment = client.batch_deployments.begin_create_or_update(deployment).result()
    endpoint = client.batch_endpoints.get("scores")
    endpoint.defaults.deployment_name = "blue"
    client.batch_endpoints.begin_create_or_update(endpoint).result()
    job = client.batch_endpoints.invoke("scores", input=Input(type=FOLDER, path=str(folder / "in")))
    stream(client, job.name)
    client.jobs.download(job.name, download_path=folder / "scored")
    seen: Seen = {
        "mini-batches of": deployment.mini_batch_size,
        "status": client.jobs.get(job.name).status,
        "rows": (folder / "scored" / "predictions.csv").read_text().splitlines(),
        "jobs": [listed.status for listed in client.batch_endpoints.list_jobs("scores")],
        "deployments": [listed.name for listed in client.batch_deployments.list("scores")],
    }
    client.batch_endpoints.begin_delete("scores").wait()
    return {**seen, "endpoints": [listed.name for listed in client.batch_endpoints.list()]}


def stream(client: MLClient, name: str) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        client.jobs.stream(name)
    return printed.getvalue()


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    Path(sys.argv[4]).write_text(json.dumps(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])))
