"""What is to be live: a model, what serves it, what it runs on, under which names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kfp_azureml.azureml.content import content_hash, text_hash
from kfp_azureml.azureml.rollout.environment import (
    SERVING_FOLDER,
    EnvironmentRecipe,
    custom_recipe,
    serving_recipe,
)
from kfp_azureml.models.model_folder import hash_files
from kfp_azureml.runtime.errors import DeploymentError

SCORING_SCRIPT = "score.py"
INSTANCE_TYPE = "Standard_DS3_v2"
# The processes our entry script runs in: one for each core of INSTANCE_TYPE. The server's own default is one in all.
WORKERS = 4


@dataclass(frozen=True)
class Serving:
    """What a model is served with.

    Attributes:
        code: The folder with the entry script; None for a model that Azure serves without one.
        scoring_script: The entry script in it.
        environment: A recipe to make, the reference of an existing environment, or None without code.
    """

    code: Path | None = None
    scoring_script: str = SCORING_SCRIPT
    environment: EnvironmentRecipe | str | None = None

    @property
    def is_ours(self) -> bool:
        """Whether our own entry script answers, for a model folder that train wrote."""
        return self.code == SERVING_FOLDER

    @property
    def environment_variables(self) -> dict[str, str]:
        """What the server is told; of the user's own code we do not know whether it bears several processes."""
        return {"WORKER_COUNT": str(WORKERS)} if self.is_ours else {}

    @property
    def environment_reference(self) -> str | None:
        """The environment as a deployment names it."""
        return self.environment.reference if isinstance(self.environment, EnvironmentRecipe) else self.environment

    def fingerprint(self, model_id: str) -> str:
        """Return a hash over all that makes a deployment of a model with this serving answer as it does."""
        code = f"{content_hash(hash_files(self.code))}/{self.scoring_script}" if self.code else ""
        return text_hash(model_id, code, self.environment_reference or "")


@dataclass(frozen=True)
class Machines:
    """What a deployment runs on.

    Attributes:
        compute: The attached Kubernetes compute; empty: managed by Azure.
        instance_type: The machines; empty: Standard_DS3_v2, on Kubernetes the cluster's default.
        instance_count: How many; 0: as many as the live deployment has.
    """

    compute: str = ""
    instance_type: str = ""
    instance_count: int = 0

    @property
    def resolved_instance_type(self) -> str | None:
        """The machines as a deployment names them."""
        return self.instance_type or (None if self.compute else INSTANCE_TYPE)


@dataclass(frozen=True)
class DesiredState:
    """One deployment as it is to be.

    Attributes:
        endpoint: The endpoint's name.
        deployment: The deployment's name.
        model_id: The model version's Azure resource id.
        model: The model version for people, `name:version`.
        serving: What it is served with.
        machines: What it runs on.
        fingerprint: A hash over model and serving; kept in the deployment's properties.
        run_id: The pipeline run; likewise.
    """

    endpoint: str
    deployment: str
    model_id: str
    model: str
    serving: Serving
    machines: Machines
    fingerprint: str
    run_id: str


def choose_serving(
    model_type: str, code: Path | None, scoring_script: str, environment: str, conda_file: Path | None, image: str
) -> Serving:
    """Choose what a model is served with: the user's code, ours, or none for a model that Azure serves by itself.

    Args:
        model_type: The model's type in Azure ML.
        code: The user's folder with an entry script, if there is one.
        scoring_script: The entry script in it.
        environment: The reference of an existing environment.
        conda_file: Or a conda file, relative to `code`.
        image: Its base image, or an image to use as it is.

    Raises:
        DeploymentError: If these do not go together, or a file is missing.
    """
    if environment and (conda_file or image):
        raise DeploymentError("environment names a finished one: give it, or conda_file and image, not both")
    if code is None:
        if conda_file or environment:
            raise DeploymentError("environment and conda_file are for code of your own: give code too")
        if model_type != "custom_model":
            return Serving()
        return Serving(SERVING_FOLDER, SCORING_SCRIPT, serving_recipe(image))
    if not (code / scoring_script).is_file():
        raise DeploymentError(f"entry script {code / scoring_script}: missing")
    if environment:
        reference = environment if environment.startswith("azureml://") else environment.removeprefix("azureml:")
        return Serving(code, scoring_script, reference)
    if conda_file or image:
        return Serving(code, scoring_script, custom_recipe(code / conda_file if conda_file else None, image))
    raise DeploymentError(f"code {code}: say what it runs in, with environment, conda_file or image")
