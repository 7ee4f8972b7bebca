"""Metrics to an MLflow server, where the environment names one."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

from kfp_azureml.runtime.errors import TrainingError, first_line
from kfp_azureml.steps.train.history import Epoch

TRACKING_URI = "MLFLOW_TRACKING_URI"
RUN_ID = "MLFLOW_RUN_ID"
AZURE_ML = "azureml"
"""The scheme of the address that Azure ML gives to its jobs, where nobody asked for it."""
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
    later costs a warning an epoch, never the trained model. Inside a job of Azure ML, which sets the variable by
    itself, no server ever fails the step. A run that the environment names (`MLFLOW_RUN_ID`) is another's to end.

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
    in_azure_ml = urlsplit(address).scheme == AZURE_ML
    if importlib.util.find_spec("mlflow") is None:
        if in_azure_ml:
            yield lambda _epoch: None
            return
        raise TrainingError(f"{TRACKING_URI} is set, but mlflow is not installed: install mlflow-skinny, or unset it")
    # MLflow's own defaults, 7 tries of 120 seconds each, would hold the training up for minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    import mlflow
    from mlflow.exceptions import MlflowException

    mlflow.set_tracking_uri(_without_plugin(address))
    try:
        run_id = os.environ.get(RUN_ID) or mlflow.start_run().info.run_id
        mlflow.log_params(dict(parameters), run_id=run_id)
    except MlflowException as error:
        if not in_azure_ml:
            raise TrainingError(f"MLflow at {TRACKING_URI}: {_reason(error, address)}") from error
        logger.warning("MLflow: nothing is logged to Azure ML: %s", _reason(error, address))
        yield lambda _epoch: None
        return

    def log(epoch: Epoch) -> None:
        try:
            mlflow.log_metrics(
                {NAMES[name]: value for name, value in epoch.metrics().items()},
                step=epoch.number,
                run_id=run_id,
            )
        except MlflowException as error:
            logger.warning("MLflow: the metrics of epoch %d are lost: %s", epoch.number, _reason(error, address))

    status = "FAILED"
    try:
        yield log
        status = "FINISHED"
    finally:
        try:
            mlflow.end_run(status)  # nothing where we have begun none
        except MlflowException as error:
            logger.warning("MLflow: the run could not be ended: %s", _reason(error, address))


def _without_plugin(address: str) -> str:
    """Return the same server for a client without Azure ML's plugin: behind the plugin's scheme is plain HTTPS."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(scheme="https", query="")) if parts.scheme == AZURE_ML else address


def _reason(error: Exception, address: str) -> str:
    """Return an error's first line, without the password that the server's address may hold."""
    reason = first_line(error)
    password = urlsplit(address).password
    return reason.replace(password, "***") if password else reason
