from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from emulator_app import App
from job_requests import (
    BLOBS,
    Document,
    children,
    get_run,
    literal,
    log,
    node,
    put_component,
    run,
    submit,
    wait_for_status,
)
from processes import processes_of

pytestmark = pytest.mark.anyio

FOLDER = {"type": "uri_folder"}


async def put_pair(app: App) -> tuple[str, str]:
    """Register a component that writes a folder, and one that prints a folder and a text."""
    write = await put_component(
        app,
        "write",
        command="echo ${{inputs.text}} > ${{outputs.made}}/text",
        inputs={"text": {"type": "string", "default": "default"}},
        outputs={"made": FOLDER},
    )
    show = await put_component(
        app,
        "show",
        command="cat ${{inputs.folder}}/text; echo $[[more: ${{inputs.more}}]]",
        inputs={"folder": FOLDER, "more": {"type": "string", "optional": True}},
    )
    return write, show


async def run_pipeline(app: App, name: str, jobs: Document, **properties: Any) -> Document:
    return await run(app, name, jobType="Pipeline", jobs=jobs, **properties)


async def test_outputs_become_inputs(app: App) -> None:
    write, show = await put_pair(app)

    ended = await run_pipeline(
        app,
        "p",
        {
            "show": node(show, {"folder": "${{parent.jobs.write.outputs.made}}", "more": "${{parent.inputs.s}}-x"}),
            "write": node(write, {"text": "${{parent.inputs.s}}"}, {"made": "${{parent.outputs.all}}"}),
        },
        inputs={"s": {"jobInputType": "literal", "value": "hello"}},
        outputs={"all": {"jobOutputType": "uri_folder"}},
    )

    nodes = await children(app, "p")
    assert ended["status"] == "Completed"
    assert {name: child["status"] for name, child in nodes.items()} == {"show": "Completed", "write": "Completed"}
    assert log(app, nodes["show"]["runId"]) == "hello\nmore: hello-x\n"
    assert nodes["show"]["startTimeUtc"] >= nodes["write"]["endTimeUtc"]
    assert app.blobs.text(f"{BLOBS}/azureml/{nodes['write']['runId']}/made/text") == "hello\n"
    assert ended["outputs"]["all"]["type"] == "UriFolder"
    assert (nodes["show"]["parentRunId"], nodes["show"]["rootRunId"]) == ("p", "p")


async def test_a_pipeline_has_the_services_defaults(app: App) -> None:
    write, _ = await put_pair(app)

    answer = await submit(
        app,
        "p",
        jobType="Pipeline",
        jobs={"write": node(write)},
        inputs={"d": {"jobInputType": "uri_file", "uri": f"{BLOBS}/x"}, "s": {"value": "a", "jobInputType": "literal"}},
        outputs={"all": {"jobOutputType": "uri_folder"}},
        settings={"force_rerun": False},
        tags={"t": "v"},
    )

    properties = answer.json()["properties"]
    # As recorded in 2022, with the keys that commands have since 2023.
    assert set(properties) == {
        *("description", "tags", "properties", "displayName", "status", "experimentName", "services", "computeId"),
        *("isArchived", "identity", "componentId", "notificationSetting", "secretsConfiguration", "jobType"),
        *("settings", "jobs", "inputs", "outputs", "sourceJobId"),
    }
    assert properties["status"] == "Preparing"
    assert properties["inputs"]["d"]["mode"] == "ReadOnlyMount"
    assert properties["inputs"]["s"] == {"description": None, "jobInputType": "literal", "value": "a"}
    assert set(properties["outputs"]) == {"all"}
    assert properties["outputs"]["all"]["mode"] == "ReadWriteMount"
    assert properties["properties"] == {
        "azureml.DevPlatv2": "true",
        "azureml.runsource": "azureml.PipelineRun",
        "runSource": "MFE",
        "runType": "HTTP",
        "azureml.parameters": '{"s": "a"}',
        "azureml.continue_on_step_failure": "True",
        "azureml.continue_on_failed_optional_input": "True",
        "azureml.enforceRerun": "False",
        "azureml.pipelineComponent": "pipelinerun",
    }
    await app.context.jobs.wait("p")


@pytest.mark.parametrize(
    ("of_node", "of_pipeline"),
    [
        ({"job_output_type": "uri_folder", "name": "made", "assetVersion": "3"}, None),
        ({"type": "literal", "value": "${{parent.outputs.all}}", "name": "made", "version": "3"}, {}),
        ({"type": "literal", "value": "${{parent.outputs.all}}"}, {"assetName": "made", "assetVersion": "3"}),
    ],
)
async def test_an_output_of_a_node_becomes_an_asset(app: App, of_node: Document, of_pipeline: Document | None) -> None:
    write, _ = await put_pair(app)
    outputs = {} if of_pipeline is None else {"all": {"jobOutputType": "uri_folder", **of_pipeline}}

    ended = await run_pipeline(app, "p", {"write": {**node(write), "outputs": {"made": of_node}}}, outputs=outputs)

    assert ended["status"] == "Completed", ended
    made = (await app.arm.get("data/made/versions/3")).json()["properties"]
    assert made["dataType"] == "uri_folder"
    assert (await children(app, "p"))["write"]["runId"] in made["dataUri"]


async def test_a_pipelines_output_goes_to_its_path(app: App) -> None:
    write, _ = await put_pair(app)

    await run_pipeline(
        app,
        "p",
        {"write": node(write, outputs={"made": "${{parent.outputs.all}}"})},
        outputs={"all": {"jobOutputType": "uri_folder", "uri": f"{BLOBS}/results/${{{{name}}}}"}},
    )

    assert app.blobs.text(f"{BLOBS}/results/p/text") == "default\n"


async def test_independent_nodes_run_at_the_same_time(app: App, tmp_path: Path) -> None:
    meet = await put_component(
        app,
        "meet",
        command="touch ${{inputs.meeting}}/${{inputs.me}};"
        " until [ -e ${{inputs.meeting}}/${{inputs.other}} ]; do sleep 0.01; done",
        inputs={name: {"type": "string"} for name in ("meeting", "me", "other")},
    )

    ended = await run_pipeline(
        app,
        "p",
        {
            me: node(meet, {"meeting": str(tmp_path), "me": me, "other": other}, limits={"timeout": "PT30S"})
            for me, other in (("a", "b"), ("b", "a"))
        },
    )

    assert ended["status"] == "Completed"


async def test_a_nodes_settings_apply(app: App) -> None:
    component = await put_component(app, "c", command="echo $COLOUR")

    await run_pipeline(
        app,
        "p",
        {
            "one": node(component, environment_variables={"COLOUR": "red"}, computeId="cpu-cluster"),
            "two": node(component, display_name="The second"),
            "three": node(component, computeId="${{parent.inputs.where}}"),
        },
        inputs={"where": {"jobInputType": "literal", "value": "k8s"}},
        settings={"default_compute": f"{app.context.settings.workspace_id}/computes/cpu-cluster"},
    )

    nodes = await children(app, "p")
    assert log(app, nodes["one"]["runId"]) == "red\n"
    assert [nodes[name]["displayName"] for name in ("one", "two")] == ["one", "The second"]
    assert [nodes[name]["target"] for name in ("one", "two", "three")] == ["cpu-cluster", "cpu-cluster", "k8s"]


async def test_an_empty_output_is_an_empty_input(app: App) -> None:
    nothing = await put_component(app, "nothing", command="true", outputs={"made": FOLDER})
    count = await put_component(app, "count", command="ls ${{inputs.folder}} | wc -l", inputs={"folder": FOLDER})

    await run_pipeline(app, "p", {"a": node(nothing), "b": node(count, {"folder": "${{parent.jobs.a.outputs.made}}"})})

    assert log(app, (await children(app, "p"))["b"]["runId"]).strip() == "0"


async def test_a_failed_node_fails_the_pipeline_and_what_needs_it(app: App) -> None:
    write, show = await put_pair(app)
    fail = await put_component(app, "fail", command="echo no luck; exit 3", outputs={"made": FOLDER})

    ended = await run_pipeline(
        app,
        "p",
        {
            "fail": node(fail),
            "after": node(show, {"folder": "${{parent.jobs.fail.outputs.made}}"}),
            "other": node(write),
        },
    )

    nodes = await children(app, "p")
    assert ended["status"] == "Failed"
    assert "/fail" in ended["error"]["error"]["message"]
    assert "no luck" in ended["error"]["error"]["message"]
    assert {name: child["status"] for name, child in nodes.items()} == {"fail": "Failed", "other": "Completed"}
    executed = app.blobs.text(
        "azureml://datastores/workspaceartifactstore/paths/ExperimentRun/dcid.p/logs/azureml/executionlogs.txt"
    )
    assert executed is not None
    assert "fail is Failed" in executed


async def test_a_node_failure_can_end_the_pipeline(app: App) -> None:
    fail = await put_component(app, "fail", command="exit 3")
    wait = await put_component(app, "wait", command="sleep 60")

    ended = await run_pipeline(
        app, "p", {"wait": node(wait), "fail": node(fail)}, settings={"continue_on_step_failure": False}
    )

    assert ended["status"] == "Failed"
    assert {name: child["status"] for name, child in (await children(app, "p")).items()} == {
        "fail": "Failed",
        "wait": "Canceled",
    }
    assert not processes_of(app.context.settings.state_dir)


async def test_cancelling_a_pipeline_ends_its_nodes(app: App) -> None:
    wait = await put_component(app, "wait", command="sleep 60", outputs={"made": FOLDER})
    _, show = await put_pair(app)
    jobs = {"wait": node(wait), "show": node(show, {"folder": "${{parent.jobs.wait.outputs.made}}"})}
    await submit(app, "p", jobType="Pipeline", jobs=jobs)
    await wait_for_status(app, "p", "Running")
    running = (await children(app, "p"))["wait"]
    await wait_for_status(app, running["runId"], "Running")
    assert (await children(app, "p"))["show"]["status"] == "NotStarted"

    await app.context.jobs.cancel("p")

    assert (await get_run(app, "p"))["status"] == "Canceled"
    assert {child["status"] for child in (await children(app, "p")).values()} == {"Canceled"}
    assert not processes_of(app.context.settings.state_dir)


async def test_pipelines_may_have_pipelines(app: App) -> None:
    write, show = await put_pair(app)
    inner = await put_component(
        app,
        "inner",
        type="pipeline",
        inputs={"s": {"type": "string"}},
        outputs={"out": FOLDER},
        jobs={
            "write": node(write, {"text": "inner ${{parent.inputs.s}}"}, {"made": "${{parent.outputs.out}}"}),
            "show": node(show, {"folder": "${{parent.jobs.write.outputs.made}}"}),
        },
    )

    ended = await run_pipeline(
        app,
        "p",
        {
            "sub": {
                **node(inner, {"s": "${{parent.inputs.s}}"}, {"out": "${{parent.outputs.all}}"}),
                "type": "pipeline",
            },
            "show": node(show, {"folder": "${{parent.jobs.sub.outputs.out}}"}),
        },
        inputs={"s": {"jobInputType": "literal", "value": "x"}},
        outputs={"all": {"jobOutputType": "uri_folder", "uri": f"{BLOBS}/all"}},
    )

    assert ended["status"] == "Completed"
    nodes = await children(app, "p")
    assert log(app, nodes["show"]["runId"]) == "inner x\n\n"
    below = await children(app, nodes["sub"]["runId"])
    assert {name: child["status"] for name, child in below.items()} == {"write": "Completed", "show": "Completed"}
    assert below["write"]["rootRunId"] == "p"
    assert app.blobs.text(f"{BLOBS}/all/text") == "inner x\n"


async def test_a_registered_pipeline_can_be_submitted(app: App) -> None:
    write, _ = await put_pair(app)
    component = await put_component(
        app,
        "whole",
        type="pipeline",
        inputs={"s": {"type": "string", "default": "as usual"}},
        outputs={"out": FOLDER},
        jobs={"write": node(write, {"text": "${{parent.inputs.s}}"}, {"made": "${{parent.outputs.out}}"})},
    )

    ended = await run_pipeline(app, "p", {}, componentId=component)

    assert (ended["status"], list(ended["outputs"])) == ("Completed", ["out"])
    written = (await children(app, "p"))["write"]["runId"]
    assert app.blobs.text(f"{BLOBS}/azureml/{written}/made/text") == "as usual\n"


@pytest.mark.parametrize(("value", "chosen", "other"), [("true", "yes", "no"), ("false", "no", "yes")])
async def test_a_condition_chooses(app: App, value: str, chosen: str, other: str) -> None:
    write, show = await put_pair(app)

    ended = await run_pipeline(
        app,
        "p",
        {
            "yes": node(write, {"text": "yes"}),
            "no": node(write, {"text": "no"}),
            "after yes": node(show, {"folder": "${{parent.jobs.yes.outputs.made}}"}),
            "choice": {
                "type": "if_else",
                "condition": "${{parent.inputs.flag}}",
                "true_block": ["${{parent.jobs.yes}}"],
                "false_block": "${{parent.jobs.no}}",
            },
        },
        inputs={"flag": {"jobInputType": "literal", "value": value}},
    )

    nodes = await children(app, "p")
    assert ended["status"] == "Completed"
    assert chosen in nodes
    assert other not in nodes
    assert ("after yes" in nodes) is (value == "true")


async def test_a_condition_reads_a_control_output(app: App) -> None:
    write, _ = await put_pair(app)
    decide = await put_component(app, "decide", command="true", outputs={"flag": {"type": "boolean"}})
    jobs = {
        # A run writes this property into the run history while it runs.
        "decide": node(decide, properties={"azureml.pipeline.control": '{"flag": true}'}),
        "yes": node(write),
        "choice": {
            "type": "if_else",
            "condition": "${{parent.jobs.decide.outputs.flag}}",
            "true_block": "${{parent.jobs.yes}}",
        },
        "use": node(write, {"text": "${{parent.jobs.decide.outputs.flag}}"}),
    }

    ended = await run_pipeline(app, "p", jobs)

    nodes = await children(app, "p")
    assert ended["status"] == "Completed"
    assert nodes["yes"]["status"] == "Completed"
    assert app.blobs.text(f"{BLOBS}/azureml/{nodes['use']['runId']}/made/text") == "True\n"


async def test_a_control_output_can_be_a_file(app: App) -> None:
    count = await put_component(
        app, "count", command="printf 7 > ${{outputs.count}}", outputs={"count": {"type": "integer"}}
    )
    show = await put_component(app, "show", command="echo got ${{inputs.count}}", inputs={"count": {"type": "integer"}})

    await run_pipeline(
        app, "p", {"count": node(count), "show": node(show, {"count": "${{parent.jobs.count.outputs.count}}"})}
    )

    shown = (await children(app, "p"))["show"]
    assert "got 7" in log(app, shown["runId"])


async def test_a_condition_without_its_control_output_fails(app: App) -> None:
    write, _ = await put_pair(app)
    decide = await put_component(app, "decide", command="true", outputs={"flag": {"type": "boolean"}})

    ended = await run_pipeline(
        app,
        "p",
        {
            "decide": node(decide),
            "yes": node(write),
            "choice": {
                "type": "if_else",
                "condition": "${{parent.jobs.decide.outputs.flag}}",
                "true_block": "${{parent.jobs.yes}}",
            },
        },
    )

    assert ended["status"] == "Failed"
    assert "/choice" in ended["error"]["error"]["message"]


@pytest.mark.parametrize("timeout", ["PT1S", 1])
async def test_a_nodes_timeout_may_be_an_input_of_the_pipeline(app: App, timeout: object) -> None:
    slow = await put_component(app, "slow", command="sleep 60")
    bound = node(slow, limits={"timeout": "${{parent.inputs.limit}}"})

    ended = await run_pipeline(app, "p", {"slow": bound}, inputs={"limit": literal(timeout)})

    assert ended["status"] == "Failed"
    assert (await children(app, "p"))["slow"]["status"] == "Canceled"


def bad_jobs(write: str, show: str) -> list[tuple[Document, str]]:
    condition = {"type": "if_else", "condition": "true", "true_block": "${{parent.jobs.a}}"}
    return [
        ({}, "no jobs"),
        ({"a": {"type": "sweep", "componentId": write}}, "sweep"),
        ({"a": {"type": "command"}}, "componentId"),
        ({"a": node("/x/components/gone/versions/1")}, "components/gone"),
        ({"a": node(write.split("/components/")[0] + "/environments/here/versions/1")}, "environments/here"),
        ({"a": node(write) | {"type": "pipeline"}}, "pipeline"),
        ({"a": node(show)}, "'folder'"),
        ({"a": node(write, {"odd": "x"})}, "'odd'"),
        ({"a": node(write, outputs={"odd": "x"})}, "'odd'"),
        ({"a": node(write, outputs={"made": "${{parent.outputs.odd}}"})}, "'odd'"),
        ({"a": node(write, {"text": "${{parent.jobs.odd.outputs.made}}"})}, "'odd'"),
        ({"a": node(write), "b": node(show, {"folder": "${{parent.jobs.a.outputs.odd}}"})}, "outputs.odd"),
        ({"a": node(write, {"text": "${{odd.inputs.x}}"})}, "odd.inputs.x"),
        ({"a": node(write, computeId="gone")}, "gone"),
        ({"a": node(write, limits={"timeout": "soon"})}, "soon"),
        ({"a": node(show) | {"inputs": {"folder": {"job_input_type": "uri_folder", "uri": "odd:x"}}}}, "odd:x"),
        ({"a": node(write) | {"inputs": {"text": {"job_input_type": "odd"}}}}, "'text'"),
        ({"a": node(write), "c": condition | {"true_block": "${{parent.jobs.odd}}"}}, "true_block"),
        ({"a": node(write), "c": condition, "d": condition | {"true_block": "${{parent.jobs.c}}"}}, "'c'"),
        ({"a": node(write, {"text": "${{parent.jobs.a.outputs.made}}"})}, "dependency cycle"),
        ({"a": "x"}, "'a'"),
        ({"l": {"type": "parallel_for", "body": "${{parent.jobs.a}}"}, "a": node(write)}, "parallel_for"),
    ]


@pytest.mark.parametrize("number", range(22))
async def test_an_invalid_pipeline_is_refused(app: App, number: int) -> None:
    jobs, said = bad_jobs(*await put_pair(app))[number]

    answer = await submit(app, "p", jobType="Pipeline", jobs=jobs)

    assert answer.status_code in (400, 501)
    assert said in answer.json()["error"]["message"]


async def test_data_where_a_text_is_wanted_fails_the_node(app: App) -> None:
    write, _ = await put_pair(app)

    ended = await run_pipeline(
        app, "p", {"a": node(write), "b": node(write, {"text": "${{parent.jobs.a.outputs.made}}"})}
    )

    assert ended["status"] == "Failed"
    assert "must be string" in (await children(app, "p"))["b"]["error"]["error"]["message"]


async def test_an_optional_input_may_be_left_open(app: App) -> None:
    write, show = await put_pair(app)

    await run_pipeline(
        app,
        "p",
        {
            "a": node(write, {"text": "${{parent.inputs.nobody_gave_it}}"}),
            "b": node(show, {"folder": "${{parent.jobs.a.outputs.made}}", "more": "${{parent.inputs.neither}}"}),
            "c": node(show, {"folder": "${{parent.jobs.a.outputs.made}}"})
            | {"inputs": {"folder": literal("${{parent.jobs.a.outputs.made}}"), "more": literal(None)}},
        },
    )

    nodes = await children(app, "p")
    assert [log(app, nodes[name]["runId"]) for name in ("b", "c")] == ["default\n\n", "default\n\n"]
