"""Jobs with several processes: what each of them knows, and how they end."""

from __future__ import annotations

import json

import pytest

from azureml_emulator.settings import Settings
from emulator_app import App
from job_requests import BLOBS, Document, children, node, put_component, run, submit
from processes import processes_of

pytestmark = pytest.mark.anyio

TWO = {"distributionType": "TensorFlow", "workerCount": 2}
OUTPUT = {"made": {"jobOutputType": "uri_folder"}}
OTHER = """python -c 'import json, os; print(json.loads(os.environ["TF_CONFIG"])["task"]["index"])'"""


def worker_log(app: App, run_id: str, index: int) -> str:
    artifacts = f"azureml://datastores/workspaceartifactstore/paths/ExperimentRun/dcid.{run_id}"
    return app.blobs.text(f"{artifacts}/user_logs/std_log_process_{index}.txt") or ""


async def test_each_worker_knows_the_others(app: App) -> None:
    ended = await run(app, "job1", command='echo "$TF_CONFIG"', distribution=TWO)

    assert ended["status"] == "Completed"
    configs = [json.loads(worker_log(app, "job1", index)) for index in range(2)]
    assert [config["task"] for config in configs] == [{"type": "worker", "index": index} for index in range(2)]
    assert configs[0]["cluster"] == configs[1]["cluster"]
    workers = configs[0]["cluster"]["worker"]
    assert len(set(workers)) == 2
    assert all(address.startswith("127.0.0.1:") for address in workers)


async def test_the_outputs_of_all_are_kept_and_the_firsts_win(app: App) -> None:
    command = f"number=$({OTHER}); echo $number | tee ${{{{outputs.made}}}}/same ${{{{outputs.made}}}}/of-$number"

    await run(app, "job1", command=command, distribution=TWO, outputs=OUTPUT)

    made = {name: app.blobs.text(f"{BLOBS}/azureml/job1/made/{name}") for name in ("same", "of-0", "of-1")}
    assert made == {"same": "0\n", "of-0": "0\n", "of-1": "1\n"}


async def test_one_that_fails_ends_the_others(app: App, settings: Settings) -> None:
    command = f"if [ $({OTHER}) = 1 ]; then echo no luck; exit 3; fi; sleep 600"

    ended = await run(app, "job1", command=command, distribution=TWO)

    assert ended["status"] == "Failed"
    message = ended["error"]["error"]["message"]
    assert "exited with status code 3" in message
    assert "std_log_process_1.txt" in message
    assert message.endswith("no luck")
    assert not processes_of(settings.state_dir)


async def test_a_node_of_a_pipeline_has_workers(app: App) -> None:
    component = await put_component(app, "show", command=OTHER)
    distribution = {"distribution_type": "TensorFlow", "worker_count": 2, "parameter_server_count": 0}
    settings: Document = {"distribution": distribution, "resources": {"instance_count": 2}}

    ended = await run(app, "p", jobType="Pipeline", jobs={"show": node(component, **settings)})

    assert ended["status"] == "Completed"
    run_id = (await children(app, "p"))["show"]["runId"]
    assert [worker_log(app, run_id, index) for index in range(2)] == ["0\n", "1\n"]


async def test_the_instances_are_the_workers_by_default(app: App) -> None:
    await run(
        app,
        "job1",
        command=OTHER,
        distribution={"distributionType": "TensorFlow"},
        resources={"instanceCount": 3},
    )
    assert [worker_log(app, "job1", index) for index in range(3)] == ["0\n", "1\n", "2\n"]


@pytest.mark.parametrize(
    ("distribution", "status", "said"),
    [
        ({"distributionType": "PyTorch", "processCountPerInstance": 2}, 501, "type 'PyTorch'"),
        ({"distributionType": "Mpi"}, 501, "type 'Mpi'"),
        ({**TWO, "parameterServerCount": 1}, 501, "parameter servers"),
        ({**TWO, "workerCount": 0}, 400, "not 0"),
        ({**TWO, "workerCount": "many"}, 400, "whole number"),
        ("TensorFlow", 400, "distribution"),
    ],
)
async def test_other_distributions_are_refused(app: App, distribution: object, status: int, said: str) -> None:
    answer = await submit(app, "job1", command="echo", distribution=distribution)
    assert answer.status_code == status
    assert said in answer.text


async def test_a_pipeline_with_another_distribution_is_refused(app: App) -> None:
    component = await put_component(app, "show", command="echo")
    jobs = {"show": node(component, distribution={"distribution_type": "PyTorch"})}
    answer = await submit(app, "p", jobType="Pipeline", jobs=jobs)
    assert answer.status_code == 501
    assert "PyTorch" in answer.text
