"""Metrics to an MLflow server, where the environment names one."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

from kfp_azureml.errors import TrainingError, first_line
from kfp_azureml.train.history import Epoch

TRACKING_URI = "MLFLOW_TRACKING_URI"
NAMES = {
    "loss": "Loss",
    "accuracy": "Accuracy",
    "validation_loss": "Validation loss",
    "validation_accuracy": "Validation accuracy",
}
"""The metrics' names on the server: the original Azure ML example's, and what it did not log."""

logger = logging.getLogger(__name__)


@contextmanager
def track(parameters: Mapping[str, object]) -> Iterator[Callable[[Epoch], None]]:
    """Open an MLflow run, if `MLFLOW_TRACKING_URI` is set, and yield what logs an epoch to it.

    A server that cannot be reached fails the step before the first epoch, while nothing is lost. One that goes away
    later costs a warning an epoch, never the trained model.

    Args:
        parameters: The training's settings, logged once.

    Yields:
        A function that logs one epoch, the step being the epoch's number. Without a tracking URI it does nothing.

    Raises:
        TrainingError: If mlflow is not installed, or the server cannot be reached or refuses the run.
    """
    address = os.environ.get(TRACKING_URI)
    if not address:
        yield lambda _epoch: None
        return
    if importlib.util.find_spec("mlflow") is None:
        raise TrainingError(f"{TRACKING_URI} is set, but mlflow is not installed: install mlflow-skinny, or unset it")
    # MLflow's own defaults, 7 tries of 120 seconds each, would hold the training up for minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    import mlflow
    from mlflow.exceptions import MlflowException

    if address.startswith("azureml:") and not _has_plugin():
        # Azure ML names its server so in its jobs. Without the plugin, the same server is at https.
        mlflow.set_tracking_uri(address.replace("azureml:", "https:", 1))
    try:
        run = mlflow.start_run()
        mlflow.log_params(dict(parameters))
    except MlflowException as error:
        raise TrainingError(f"MLflow at {TRACKING_URI}: {_reason(error, address)}") from error

    def log(epoch: Epoch) -> None:
        try:
            mlflow.log_metrics(
                {NAMES[name]: value for name, value in epoch.metrics().items()},
                step=epoch.number,
                run_id=run.info.run_id,
            )
        except MlflowException as error:
            logger.warning("MLflow: the metrics of epoch %d are lost: %s", epoch.number, _reason(error, address))

    status = "FAILED"
    try:
        yield log
        status = "FINISHED"
    finally:
        try:
            mlflow.end_run(status)
        except MlflowException as error:
            logger.warning("MLflow: the run could not be ended: %s", _reason(error, address))


def _has_plugin() -> bool:
    return "azureml" in importlib.metadata.entry_points(group="mlflow.tracking_store").names


def _reason(error: Exception, address: str) -> str:
    """Return an error's first line, without the password that the server's address may hold."""
    reason = first_line(error)
    password = urlsplit(address).password
    return reason.replace(password, "***") if password else reason
