"""Log parameters and metrics to MLflow if MLFLOW_TRACKING_URI is set."""

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
"""Scheme of the tracking URI that Azure ML sets in its jobs."""
NAMES = {
    "loss": "Loss",
    "accuracy": "Accuracy",
    "validation_loss": "Validation loss",
    "validation_accuracy": "Validation accuracy",
}
"""Names of the metrics in MLflow; loss and accuracy as in the original Azure ML example."""

logger = logging.getLogger(__name__)


@contextmanager
def track(parameters: Mapping[str, object]) -> Iterator[Callable[[Epoch], None]]:
    """Start an MLflow run and yield a function that logs an epoch to it.

    Without `MLFLOW_TRACKING_URI` the function does nothing. A server that is unreachable at the start fails the step;
    later failures are logged as warnings. In an Azure ML job, which sets the variable itself, all failures are
    warnings. An existing run (`MLFLOW_RUN_ID`) is resumed and not ended.

    Args:
        parameters: Training parameters, logged once.

    Raises:
        TrainingError: If mlflow is not installed, or the server is unreachable or rejects the run.
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
        raise TrainingError(f"{TRACKING_URI} is set, but mlflow is not installed; install mlflow-skinny or unset it")
    # MLflow's defaults, 7 attempts with a timeout of 120 s, would delay training by minutes.
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
        logger.warning("MLflow: not logging to Azure ML: %s", _reason(error, address))
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
            logger.warning("MLflow: metrics of epoch %d not logged: %s", epoch.number, _reason(error, address))

    status = "FAILED"
    try:
        yield log
        status = "FINISHED"
    finally:
        try:
            mlflow.end_run(status)  # does nothing for a resumed run
        except MlflowException as error:
            logger.warning("MLflow: could not end the run: %s", _reason(error, address))


def _without_plugin(address: str) -> str:
    """Replace the scheme of Azure ML's MLflow plugin by HTTPS, which the server speaks."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(scheme="https", query="")) if parts.scheme == AZURE_ML else address


def _reason(error: Exception, address: str) -> str:
    """Return the first line of an error, with the password of the server's URL redacted."""
    reason = first_line(error)
    password = urlsplit(address).password
    return reason.replace(password, "***") if password else reason
