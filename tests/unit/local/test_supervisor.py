"""The supervisor, on real processes: nothing is left behind, whichever way a run ends."""

import json
import os
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

import psutil
import pytest
from kfp import compiler, dsl

from kfp_azureml.local import watchdog
from kfp_azureml.local.event_log import EventLog
from kfp_azureml.local.supervisor import supervise
from kfp_azureml.runtime.errors import PipelineError
from processes import processes_of, wait_until


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def slow_writer(result: dsl.Output[dsl.Dataset], seconds: float = 0.0, deaf: bool = False):
    """Write an output slowly."""
    import signal
    import time
    from pathlib import Path

    from kfp_azureml.runtime.outputs import atomic_folder
    from kfp_azureml.runtime.step import progress, report, run_step

    with run_step("slow_writer"):
        if deaf:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        with atomic_folder(Path(result.path)) as folder:
            (folder / "half").write_text("half")
            progress("half way", 0.5)
            time.sleep(seconds)
        report(accuracy=0.5)


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def broken(how: str = "user"):
    """Fail, the user's way, our way, or by being killed."""
    import os
    import signal

    from kfp_azureml.runtime.errors import DataError
    from kfp_azureml.runtime.step import run_step

    with run_step("broken"):
        if how == "user":
            raise DataError("the folder /nowhere is missing: name another")
        if how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        raise ZeroDivisionError("a fault of ours")


def compiled(folder: Path, **arguments: object) -> Path:
    @dsl.pipeline(name="slow")
    def slow():
        slow_writer(**arguments)

    compiler.Compiler().compile(slow, str(folder / "slow.yaml"))
    return folder / "slow.yaml"


def compiled_broken(folder: Path, how: str) -> Path:
    @dsl.pipeline(name="broken-pipeline")
    def broken_pipeline():
        first = slow_writer()
        broken(how=how).after(first)

    compiler.Compiler().compile(broken_pipeline, str(folder / "broken.yaml"))
    return folder / "broken.yaml"


def half_written(run: Path) -> list[Path]:
    return [*run.rglob("*.part"), *run.rglob("half")]


def start(run: Path, pipeline: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(Path(__file__).with_name("supervised_run.py")), str(pipeline), str(run)]
    started = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    wait_until(lambda: half_written(run))
    return started


def test_a_run_tells_states_results_and_cost(tmp_path: Path) -> None:
    seen = []
    events = EventLog(tmp_path / "events.jsonl")
    supervise(compiled(tmp_path), {}, events, os.environ, lambda step: seen.append(step.state))
    (step,) = events.steps
    assert (step.name, step.state, step.message, step.fraction) == ("slow_writer", "succeeded", "half way", 0.5)
    assert step.user_cpu_seconds > 0
    assert step.peak_rss_bytes > 1_000_000
    assert events.results == {"accuracy": 0.5}
    assert seen[-1] == "succeeded"
    assert not list(tmp_path.glob("tmp-*"))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("user", "broken: the folder /nowhere is missing: name another"),
        ("ours", "broken: ZeroDivisionError: a fault of ours"),
        ("killed", "broken: was killed (SIGKILL; possibly out of memory)"),
    ],
)
def test_a_failing_step_fails_the_run_with_its_own_error(tmp_path: Path, how: str, message: str) -> None:
    with pytest.raises(PipelineError) as failure:
        supervise(
            compiled_broken(tmp_path, how), {}, EventLog(tmp_path / "events.jsonl"), os.environ, lambda step: None
        )
    assert str(failure.value) == message
    assert processes_of(tmp_path) == []


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def foreign():
    """Fail as a component does that knows nothing of us."""
    raise ValueError("my own error")


def test_a_foreign_step_fails_the_run_with_its_own_error_too(tmp_path: Path) -> None:
    @dsl.pipeline(name="foreign-pipeline")
    def foreign_pipeline():
        foreign()

    compiler.Compiler().compile(foreign_pipeline, str(tmp_path / "foreign.yaml"))
    with pytest.raises(PipelineError, match=r"^foreign: ValueError: my own error"):
        supervise(tmp_path / "foreign.yaml", {}, EventLog(tmp_path / "events.jsonl"), os.environ, lambda step: None)


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def fails_again(attempts: str):
    """Add a line to a file and fail."""
    from pathlib import Path

    with Path(attempts).open("a") as file:
        file.write("attempt\n")
    raise ValueError("no")


def test_a_step_is_not_tried_again_on_the_same_machine(tmp_path: Path) -> None:
    attempts = tmp_path / "attempts"

    @dsl.pipeline(name="retried")
    def retried():
        fails_again(attempts=str(attempts)).set_retry(2, "0s")

    compiler.Compiler().compile(retried, str(tmp_path / "retried.yaml"))
    with pytest.raises(PipelineError, match=r"^fails_again: ValueError: no"):
        supervise(tmp_path / "retried.yaml", {}, EventLog(tmp_path / "events.jsonl"), os.environ, lambda step: None)
    assert attempts.read_text() == "attempt\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_every_process_and_leaves_nothing_half_written(tmp_path: Path, number: signal.Signals) -> None:
    run = start(tmp_path, compiled(tmp_path, seconds=60.0))
    assert len(processes_of(tmp_path)) >= 3  # supervisor, kfp, step: the test does see them
    run.send_signal(number)
    assert run.wait(180) == 130
    assert processes_of(tmp_path) == []
    assert half_written(tmp_path) == []
    last = json.loads((tmp_path / "events.jsonl").read_text().splitlines()[-1])
    assert last["event"] == "cancelled"


def test_a_killed_supervisor_leaves_nothing_either(tmp_path: Path) -> None:
    run = start(tmp_path, compiled(tmp_path, seconds=60.0))
    run.kill()
    run.wait()
    wait_until(lambda: not processes_of(tmp_path))
    assert half_written(tmp_path) == []


def kill(run: subprocess.Popen[bytes]) -> None:
    run.kill()
    run.wait()


def kill_after_its_watchdog(run: subprocess.Popen[bytes]) -> None:
    (holder,) = (each for each in psutil.Process(run.pid).children() if watchdog.__file__ in each.cmdline())
    holder.kill()
    kill(run)


def test_a_supervisor_killed_after_its_watchdog_leaves_nothing_either(tmp_path: Path) -> None:
    kill_after_its_watchdog(start(tmp_path, compiled(tmp_path, seconds=300.0)))
    wait_until(lambda: not processes_of(tmp_path))


def test_a_step_deaf_to_sigterm_is_killed_after_the_grace_however_its_run_ends(tmp_path: Path) -> None:
    ends = {"terminated": subprocess.Popen.terminate, "killed": kill, "unwatched": kill_after_its_watchdog}
    # At the same time: each waits for the grace.
    runs = {}
    for name in ends:
        (tmp_path / name).mkdir()
        runs[name] = start(tmp_path / name, compiled(tmp_path / name, seconds=300.0, deaf=True))
    for name, end in ends.items():
        end(runs[name])
    assert runs["terminated"].wait(180) == 130
    assert processes_of(tmp_path / "terminated") == []
    wait_until(lambda: not processes_of(tmp_path), 180)


def test_a_place_with_odd_characters_is_as_good_as_any(tmp_path: Path) -> None:
    place = tmp_path / "my work (1), it's a&b; $HOME `x` ü"
    place.mkdir()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place / ".venv")], check=True)
    (library,) = place.glob(".venv/lib/python*/site-packages")
    (library / "shared.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    command = [str(place / ".venv/bin/python"), str(Path(__file__).with_name("supervised_run.py"))]
    subprocess.run([*command, str(compiled(place)), str(place)], check=True, timeout=120)
    last = json.loads((place / "events.jsonl").read_text().splitlines()[-1])
    assert last["event"] == "succeeded"
