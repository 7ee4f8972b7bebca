"""A run that fails says why: the step, how its process ended, and what it said last."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kfp import compiler, dsl

from kfp_azureml.local.cloud import Cloud
from kfp_azureml.local.event_log import EventLog
from kfp_azureml.local.supervisor import supervise
from kfp_azureml.runtime.errors import PipelineError
from processes import processes_of


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def ends(how: str) -> str:
    import os
    import signal
    import sys
    import time

    print("the last thing I said", flush=True)  # noqa: T201
    if how.startswith("SIG"):
        os.kill(os.getpid(), getattr(signal, how))
    if how == "exit":
        os._exit(7)
    if how == "raise":
        raise ValueError("my own error")
    if how == "bytes":
        sys.stdout.buffer.write(b"\xff\x1b[31m\n")
        sys.exit(5)
    if how == "sleep":
        time.sleep(600)
    return "x" * 200_000


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def take(text: str) -> None: ...


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def kill_parent() -> None:
    import os
    import signal
    from pathlib import Path

    step = Path(f"/proc/{os.getppid()}/stat").read_text()
    os.kill(int(step.rpartition(")")[2].split()[1]), signal.SIGKILL)


def compiled(folder: Path, component: Any, **arguments: str) -> Path:
    @dsl.pipeline(name="p")
    def pipeline() -> None:
        made = component(**arguments)
        if component is ends:
            take(text=made.output)

    compiler.Compiler().compile(pipeline, str(folder / "p.yaml"))
    return folder / "p.yaml"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("exit", "ends: ended with exit code 7; its log ends with: the last thing I said"),
        ("SIGKILL", "ends: was killed (SIGKILL; possibly out of memory); its log ends with: the last thing I said"),
        ("SIGSEGV", "ends: was ended by SIGSEGV; its log ends with: the last thing I said"),
        ("raise", "ends: ValueError: my own error"),
        ("bytes", "ends: ended with exit code 5; its log ends with: the last thing I said / \ufffd"),
        ("long", "take: cannot be started: Argument list too long: its inputs have 200,"),
    ],
)
def test_a_step_that_tells_nothing_is_told_about(tmp_path: Path, how: str, said: str) -> None:
    with pytest.raises(PipelineError) as failure:
        supervise(compiled(tmp_path, ends, how=how), {}, EventLog(tmp_path / "e"), os.environ, lambda step: None)
    text = str(failure.value)
    # A shell may say of itself that its child was killed.
    assert re.sub(r" / (Killed|Segmentation fault).*?(?= \()", "", text).startswith(said)
    assert text.endswith(f"(see {tmp_path}/log.txt)")
    assert len(text.splitlines()) == 1
    assert len(text) < 1000
    assert how != "long" or "last words" not in text  # those were another step's


def test_what_kfp_refuses_is_told(tmp_path: Path) -> None:
    @dsl.container_component
    def box() -> dsl.ContainerSpec:
        return dsl.ContainerSpec(image="debian:12", command=["true"])

    with pytest.raises(PipelineError, match=r"^the pipeline failed: RuntimeError: .*only supports running Lightweight"):
        supervise(compiled(tmp_path, box), {}, EventLog(tmp_path / "e"), os.environ, lambda step: None)


def test_the_end_of_the_process_that_runs_the_pipeline_is_told(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"^the pipeline failed: its process was killed"):
        supervise(compiled(tmp_path, kill_parent), {}, EventLog(tmp_path / "e"), os.environ, lambda step: None)


def test_the_end_of_the_local_azure_ml_ends_the_run_and_is_told(tmp_path: Path) -> None:
    log = tmp_path / "azureml.log"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as azureml:
        log.write_text("disk is full\n\x1b[31mgiving up\n")
        cloud = Cloud(dict(os.environ), {}, {}, process=azureml, log=log)

        def kill_when_it_sleeps() -> None:
            run_log = tmp_path / "log.txt"
            if run_log.exists() and b"the last thing I said" in run_log.read_bytes():
                azureml.send_signal(signal.SIGKILL)
                azureml.wait()
            cloud.check()

        with pytest.raises(PipelineError) as failure:
            supervise(
                compiled(tmp_path, ends, how="sleep"),
                {},
                EventLog(tmp_path / "e"),
                os.environ,
                lambda step: None,
                check=kill_when_it_sleeps,
            )
    assert str(failure.value) == (
        "the Azure ML emulator was killed (SIGKILL; possibly out of memory); "
        f"its log ends with: disk is full / giving up (see {log})"
    )
    assert processes_of(tmp_path) == []
