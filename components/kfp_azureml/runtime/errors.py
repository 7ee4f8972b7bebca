"""Errors for users, one class per kind of failure.

A message is one line: what is wrong, where, what to do. `step.run_step` and the command line print it without a
traceback and exit with `exit_code`.
"""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its class name if it has no message."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


class KfpAzuremlError(Exception):
    """A failure that the user can fix."""

    exit_code = 1


class DataError(KfpAzuremlError):
    """The input data is missing, corrupt or of the wrong format."""


class OutputError(KfpAzuremlError):
    """A result cannot be written."""


class TrainingError(KfpAzuremlError):
    """The training settings are invalid, or training diverged."""


class WorkerLostError(KfpAzuremlError):
    """Another worker of a training ended or does not answer; all have to be started again."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h


class ModelError(KfpAzuremlError):
    """A model folder is incomplete, modified, or not the one that was scored."""


class InvalidNameError(KfpAzuremlError):
    """A name is not valid in Azure ML."""


class CredentialsError(KfpAzuremlError):
    """Azure credentials are missing or rejected."""


class WorkspaceError(KfpAzuremlError):
    """The Azure ML workspace does not exist or cannot be reached."""


class DeploymentError(KfpAzuremlError):
    """An endpoint or deployment did not start, or gives wrong answers."""


class DatabricksError(KfpAzuremlError):
    """A Databricks workspace rejected a request, or a run or cluster in it failed."""


class PipelineError(KfpAzuremlError):
    """A pipeline does not exist, does not compile, or its run failed."""


class KubeflowError(KfpAzuremlError):
    """Kubeflow's server or the cluster cannot be reached, or rejects a request."""


class RejectedError(KfpAzuremlError):
    """The model was trained and scored, but did not pass the quality gate."""

    exit_code = 3


class CancelledError(BaseException):
    """The user stopped the process; like KeyboardInterrupt it is not an `Exception`.

    Attributes:
        interactive: Whether Ctrl-C was pressed, so that a prompt can be answered.
    """

    exit_code = 130

    def __init__(self, message: str, *, interactive: bool = False) -> None:
        super().__init__(message)
        self.interactive = interactive


class RunCancelledError(PipelineError):
    """Another client terminated the run that this command followed."""

    exit_code = CancelledError.exit_code
