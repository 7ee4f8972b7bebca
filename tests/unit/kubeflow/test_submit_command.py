"""`kfp-azureml submit` as it is called: what its options do, its exit codes, its signals and its question."""

import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme
from click.testing import CliRunner, Result

from kfp_azureml.kubeflow.command import submit_command
from kfp_azureml.runtime.errors import PipelineError
from kubeflow_api import Fault, KubeflowApi, running_kubeflow_api, shows, task
from processes import wait_until
from terminal import CTRL_C, Terminal, on_a_terminal

COMPILED = str(Path(__file__).parents[3] / "pipelines" / "image_classification.yaml")
WORKSPACE = ["--param", "resource_group=g", "--param", "workspace=w"]
PROGRAM = str(Path(sys.executable).with_name("kfp-azureml"))
RUNNING = shows("RUNNING", task("aml-preflight", "RUNNING"))
QUESTION = "Terminate the run on Kubeflow too? [y/N]"


def invoked(api: KubeflowApi, *options: str | Path) -> Result:
    arguments = [COMPILED, *WORKSPACE, "--host", api.url, *map(str, options)]
    return CliRunner().invoke(submit_command, arguments, catch_exceptions=False)


def command(api: KubeflowApi, *options: str) -> list[str]:
    return [PROGRAM, "submit", COMPILED, *WORKSPACE, "--host", api.url, *options]


def page(api: KubeflowApi) -> str:
    return f"{api.url}/#/runs/details/{api.run_id}"


def ran(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)


@contextmanager
def started(*words: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_what_is_said_of_the_run_arrives(kubeflow: KubeflowApi) -> None:
    kubeflow.multi_user = True
    given = {"--namespace": "ada", "--experiment": "fashion", "--run-name": "first", "--service-account": "runner"}
    result = invoked(kubeflow, *(word for option in given.items() for word in option), "--no-cache")
    assert result.exit_code == 0, result.output
    body = kubeflow.bodies[0]
    assert (body["display_name"], body["service_account"]) == ("first", "runner")
    experiment = kubeflow.experiments[body["experiment_id"]]
    assert (experiment["display_name"], experiment["namespace"]) == ("fashion", "ada")
    assert "'enableCache': True" not in str(body["pipeline_spec"])


@pytest.mark.parametrize("kind", ["token", "cookie"])
def test_a_tokens_or_cookies_file_is_read(kubeflow: KubeflowApi, tmp_path: Path, kind: str) -> None:
    (tmp_path / "secret").write_text("session=1\n")
    setattr(kubeflow, kind, "session=1")
    result = invoked(kubeflow, f"--{kind}-file", tmp_path / "secret")
    assert (result.exit_code, len(kubeflow.runs)) == (0, 1)
    assert "session=1" not in result.output


def test_the_authoritys_certificates_are_taken(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with running_kubeflow_api(context) as api:
        assert invoked(api, "--ca-cert", tmp_path / "ca.pem").exit_code == 0
        assert len(api.runs) == 1


def test_it_need_not_wait(kubeflow: KubeflowApi) -> None:
    result = invoked(kubeflow, "--no-wait")
    assert result.output == f"Run {kubeflow.run_id} in experiment pipeline_samples: {page(kubeflow)}\n"
    assert kubeflow.requests[-1] == "POST /runs"


def test_it_waits_as_long_as_it_is_told_to(kubeflow: KubeflowApi) -> None:
    kubeflow.script = [RUNNING]
    with pytest.raises(PipelineError, match=r"did not end within 0\.2 s"):
        invoked(kubeflow, "--timeout", "0.2")


def test_exit_code_0_is_a_run_that_succeeded(kubeflow: KubeflowApi) -> None:
    kubeflow.script = [RUNNING, shows("SUCCEEDED", task("aml-preflight", "SUCCEEDED", 2))]
    done = ran(*command(kubeflow))
    assert (done.returncode, done.stderr) == (0, "")
    first, *steps, last = done.stdout.splitlines()
    assert first == f"Run {kubeflow.run_id} in experiment pipeline_samples: {page(kubeflow)}"
    assert [step.split()[:2] for step in steps] == [["aml_preflight", "running"], ["aml_preflight", "succeeded"]]
    assert last.startswith("Succeeded in ")


def test_exit_code_1_is_a_run_that_failed(kubeflow: KubeflowApi) -> None:
    kubeflow.script = [shows("FAILED", task("train", "FAILED", 3, error={"code": 2, "message": "out of memory"}))]
    done = ran(*command(kubeflow))
    assert (done.returncode, done.stderr) == (1, "kfp-azureml: train: out of memory\n")
    assert done.stdout.splitlines()[-1].endswith(f" s: {page(kubeflow)}")


def test_exit_code_130_is_a_run_that_somebody_cancelled(kubeflow: KubeflowApi) -> None:
    kubeflow.script = [RUNNING, shows("CANCELING"), shows("FAILED")]
    done = ran(*command(kubeflow))
    said = f"kfp-azureml: run {kubeflow.run_id} was cancelled on Kubeflow\n"
    assert (done.returncode, done.stderr) == (130, said)
    assert done.stdout.splitlines()[-1].startswith("Cancelled after ")


def test_exit_code_1_is_a_server_that_refuses_too(kubeflow: KubeflowApi) -> None:
    kubeflow.faults["POST /runs"] = [Fault(500, "no database")]
    done = ran(*command(kubeflow))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("creating the run: the server responded with status 500 (no database)\n")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("wrong", [["--no-such-option"], ["--timeout", "-1"], ["--retries", "many"]])
def test_exit_code_2_is_wrong_usage(kubeflow: KubeflowApi, wrong: list[str]) -> None:
    done = ran(*command(kubeflow, *wrong))
    assert (done.returncode, done.stdout, kubeflow.requests) == (2, "", [])
    assert done.stderr.splitlines()[-1].startswith("Error: ")


@pytest.mark.parametrize(("options", "terminated"), [([], 0), (["--terminate-on-cancel"], 1)])
def test_exit_code_130_is_who_stopped_it(kubeflow: KubeflowApi, options: list[str], terminated: int) -> None:
    kubeflow.script = [RUNNING]
    with started(*command(kubeflow, *options)) as process:
        wait_until(lambda: "GET /runs/*" in kubeflow.requests, 180)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=180)
    assert process.returncode == 130
    assert errors.startswith("kfp-azureml: cancelled by SIGTERM; the run ")
    assert errors.endswith(f"{page(kubeflow)}\n")
    assert len(kubeflow.terminated) == terminated


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_whose_creation_was_interrupted_may_be_there(kubeflow: KubeflowApi, number: signal.Signals) -> None:
    kubeflow.unanswered["POST /runs"] = threading.Event()
    try:
        with started(*command(kubeflow)) as process:
            wait_until(lambda: kubeflow.runs, 180)
            process.send_signal(number)
            output, errors = process.communicate(timeout=180)
    finally:
        kubeflow.unanswered["POST /runs"].set()
    assert (process.returncode, output) == (130, "")
    look = "the run may have been created: check the UI before you retry"
    assert errors == f"kfp-azureml: cancelled by {number.name} while creating the run; {look}\n"


@contextmanager
def interrupted_at_the_keyboard(api: KubeflowApi) -> Iterator[Terminal]:
    api.script = [RUNNING]
    with on_a_terminal(command(api)) as terminal:
        terminal.wait_for("running")
        terminal.type(CTRL_C)
        terminal.wait_for(QUESTION)
        time.sleep(1)  # a signal before Python waits for a key interrupts nothing
        yield terminal


@pytest.mark.parametrize(
    ("answer", "terminated", "said"),
    [
        ("y\r", 1, "the run is being terminated: "),
        ("n\r", 0, "the run continues; "),
        ("\r", 0, "the run continues; "),
        (CTRL_C, 0, "the run continues; "),
    ],
    ids=["yes", "no", "nothing", "ctrl-c"],
)
def test_ctrl_c_asks_what_is_to_become_of_the_run(
    kubeflow: KubeflowApi, answer: str, terminated: int, said: str
) -> None:
    with interrupted_at_the_keyboard(kubeflow) as terminal:
        assert not kubeflow.terminated
        terminal.type(answer)
        assert terminal.wait() == 130
    assert len(kubeflow.terminated) == terminated
    assert f"kfp-azureml: cancelled by SIGINT; {said}" in terminal.shown


def test_a_terminal_that_goes_away_leaves_the_run_alone(kubeflow: KubeflowApi) -> None:
    with interrupted_at_the_keyboard(kubeflow) as terminal:
        terminal.process.send_signal(signal.SIGHUP)
        assert terminal.wait() == 130
    assert not kubeflow.terminated
