"""Log to MLflow."""

import logging
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from kfp_azureml.runtime.errors import TrainingError
from kfp_azureml.steps.train.history import Epoch
from kfp_azureml.steps.train.mlflow_tracking import track

FIRST = Epoch(1, 0.8, 0.6, 0.5, 0.75, 9.5)
SECOND = Epoch(2, 0.4, 0.8, None, None, 9.0)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    address = (tmp_path / "mlflow").as_uri()
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    return MlflowClient(address)


def test_epochs_are_logged_with_their_numbers_as_steps(store: MlflowClient) -> None:
    with track({"architecture": "lean", "epochs": 2}) as log:
        log(FIRST)
        log(SECOND)
    (run,) = store.search_runs(["0"])
    assert run.info.status == "FINISHED"
    assert run.data.params == {"architecture": "lean", "epochs": "2"}
    metrics = {
        name: [(m.step, m.value) for m in store.get_metric_history(run.info.run_id, name)] for name in run.data.metrics
    }
    assert metrics == {
        "Loss": [(1, 0.8), (2, 0.4)],
        "Accuracy": [(1, 0.6), (2, 0.8)],
        "Validation loss": [(1, 0.5)],
        "Validation accuracy": [(1, 0.75)],
    }


def test_a_failed_training_is_a_failed_run(store: MlflowClient) -> None:
    with pytest.raises(TrainingError, match="diverged"), track({}):
        raise TrainingError("diverged")
    assert [run.info.status for run in store.search_runs(["0"])] == ["FAILED"]


def test_without_a_tracking_uri_nothing_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with track({}) as log:
        log(FIRST)


def test_an_unreachable_server_fails_before_training_and_its_password_is_redacted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:geheim@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrainingError, match=r"^MLflow at MLFLOW_TRACKING_URI: .*127\.0\.0\.1") as caught, track({}):
        pytest.fail("training started")
    assert "geheim" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_server_that_fails_during_training_is_a_warning(
    store: MlflowClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise MlflowException("no answer\nand more lines")

    with track({}) as log:
        monkeypatch.setattr("mlflow.log_metrics", fail)
        log(FIRST)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert "MLflow: metrics of epoch 1 not logged: no answer" in warnings


def test_a_missing_mlflow_package_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(TrainingError, match="mlflow is not installed"), track({}):
        pytest.fail("training started")


def test_mlflow_is_not_imported_without_a_tracking_uri() -> None:
    import subprocess

    program = (
        "import os, sys; os.environ.pop('MLFLOW_TRACKING_URI', None)\n"
        "from kfp_azureml.steps.train.mlflow_tracking import track\n"
        "with track({}): print('mlflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_an_azure_ml_job_without_mlflow_installed_logs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "azureml://127.0.0.1:9/mlflow/v1.0/subscriptions/s?")
    monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with track({}) as log:
        log(FIRST)


def test_the_run_of_mlflow_run_id_is_resumed_and_not_ended(
    store: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = store.create_run("0").info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    with track({"epochs": 1}) as log:
        log(FIRST)
    (run,) = store.search_runs(["0"])
    assert (run.info.run_id, run.info.status) == (run_id, "RUNNING")
    assert run.data.metrics["Loss"] == 0.8
    assert run.data.params == {"epochs": "1"}


def test_an_azure_ml_job_logs_over_https_and_an_unreachable_server_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "azureml://127.0.0.1:9/mlflow/v1.0/subscriptions/s?")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with caplog.at_level(logging.WARNING), track({"epochs": 1}) as log:
        log(FIRST)
    assert "not logging to Azure ML" in caplog.text
    assert "host='127.0.0.1', port=9" in caplog.text
