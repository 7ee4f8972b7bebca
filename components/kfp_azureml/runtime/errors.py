"""What can go wrong for a user, one class per kind of failure.

A message is one line a person can act on: what is wrong, where, what to do. `steps.run_step` prints it and ends the
process with `exit_code`; no traceback.
"""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, or its class where it has none."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


class KfpAzuremlError(Exception):
    """A failure the user can mend."""

    exit_code = 1


class DataError(KfpAzuremlError):
    """The input data is missing, damaged or does not fit."""


class OutputError(KfpAzuremlError):
    """A result cannot be written where it belongs."""


class TrainingError(KfpAzuremlError):
    """The training settings are wrong, or training went astray."""


class ModelError(KfpAzuremlError):
    """A model folder is incomplete, altered, or not what was scored."""


class InvalidNameError(KfpAzuremlError):
    """A name that Azure ML does not accept."""


class CredentialsError(KfpAzuremlError):
    """Azure credentials are missing or refused."""


class WorkspaceError(KfpAzuremlError):
    """The Azure ML workspace cannot be found or reached."""


class DeploymentError(KfpAzuremlError):
    """An endpoint or deployment did not come up, or answers wrongly."""


class PipelineError(KfpAzuremlError):
    """A pipeline cannot be found, compiled or run."""


class KubeflowError(KfpAzuremlError):
    """Kubeflow's server or the cluster cannot be reached, or refuses."""


class RejectedError(KfpAzuremlError):
    """The model was trained and scored, but did not pass the quality gate."""

    exit_code = 3


class CancelledError(BaseException):
    """Somebody stopped the run; like KeyboardInterrupt it passes through `except Exception`.

    Attributes:
        at_the_keyboard: Whether by Ctrl-C, so that there is somebody to ask.
    """

    exit_code = 130

    def __init__(self, message: str, *, at_the_keyboard: bool = False) -> None:
        super().__init__(message)
        self.at_the_keyboard = at_the_keyboard


class RunCancelledError(PipelineError):
    """The run that this command followed was terminated by somebody else."""

    exit_code = CancelledError.exit_code
