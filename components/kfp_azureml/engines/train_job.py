"""TrainJobs of Kubeflow Trainer 2: training in several workers.

Only fields that Trainer 2.0 to 2.3 have in common: what pods need beyond them, such as volumes, tolerations and
restarts, is in the training runtime (manifests/train-workers).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kfp_azureml.engines.api import Api
from kfp_azureml.engines.api_errors import ApiError
from kfp_azureml.engines.kinds import Kind, Phase, Resource, State
from kfp_azureml.engines.refusals import refusals
from kfp_azureml.runtime.errors import KubeflowError
from kfp_azureml.runtime.step import progress

OUR_RUNTIME = "kfp-azureml"
STOCK_RUNTIME = "torch-distributed"
"""A training runtime of every Trainer 2, for any program: it sets PET_* variables."""


def state_of(resource: Resource) -> State:
    """Read a TrainJob's state from its conditions and jobsStatus.

    jobsStatus counts jobs, not pods: the one job of our runtimes is ready when each of its pods is.
    """
    status = resource.get("status", {})
    conditions = {one["type"]: one for one in status.get("conditions", []) if one.get("status") == "True"}
    if failed := conditions.get("Failed"):
        return State(Phase.FAILED, f"{failed.get('reason', '')}: {failed.get('message', '')}".strip(": "))
    if "Complete" in conditions:
        return State(Phase.SUCCEEDED)
    if "Suspended" in conditions:
        return State(Phase.WAITING, "suspended")
    jobs = status.get("jobsStatus", [])
    is_ready = bool(jobs) and all((job.get("ready") or 0) + (job.get("succeeded") or 0) > 0 for job in jobs)
    return State(Phase.RUNNING if is_ready else Phase.WAITING)


TRAIN_JOB = Kind(
    name="TrainJob",
    group="trainer.kubeflow.org",
    version="v1alpha1",
    plural="trainjobs",
    operator="Kubeflow Trainer 2",
    docs="docs/aks.md#several-training-workers",
    role="manifests/train-workers",
    name_prefix="train",
    pod_label="jobset.sigs.k8s.io/jobset-name",
    index_label="batch.kubernetes.io/job-completion-index",
    container="node",
    state=state_of,
)


@dataclass(frozen=True)
class Workers:
    """The workers of a TrainJob.

    Attributes:
        count: Number of workers, one pod each.
        cpu: CPUs of a worker, such as `2` or `500m`.
        memory: Memory of a worker, such as `2Gi`.
        gpus: Number of GPUs of a worker.
        gpu_type: Kubernetes resource name of a GPU.
    """

    count: int
    cpu: str
    memory: str
    gpus: int = 0
    gpu_type: str = "nvidia.com/gpu"

    def __post_init__(self) -> None:
        if self.count < 1:
            raise KubeflowError(f"workers {self.count}: has to be 1 or more")
        if self.gpus < 0:
            raise KubeflowError(f"gpus {self.gpus}: has to be 0 or more")
        for name, value in (("cpu", self.cpu), ("memory", self.memory)):
            if not value:
                raise KubeflowError(f"{name}: is empty; expected an amount, such as {'2' if name == 'cpu' else '2Gi'}")

    @property
    def resources(self) -> dict[str, Any]:
        """Requests and limits, the same, so that Kubernetes evicts the pods last."""
        gpus = {self.gpu_type: str(self.gpus)} if self.gpus else {}
        amounts = {"cpu": self.cpu, "memory": self.memory, **gpus}
        return {"requests": amounts, "limits": dict(amounts)}


@dataclass(frozen=True)
class Program:
    """What each worker runs.

    Attributes:
        image: The image.
        command: The program and its arguments.
        environ: Environment variables.
        secrets: Environment variables from keys of Kubernetes secrets, as (secret, key); none is required to exist.
    """

    image: str
    command: Sequence[str]
    environ: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def env(self) -> list[dict[str, Any]]:
        """The environment as in a pod's spec."""
        values = [{"name": name, "value": value} for name, value in self.environ.items()]
        references = [
            {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key, "optional": True}}}
            for name, (secret, key) in self.secrets.items()
        ]
        return [*values, *references]


def train_job_spec(program: Program, workers: Workers, runtime: str) -> dict[str, Any]:
    """Return the spec of a TrainJob.

    Args:
        program: What each worker runs.
        workers: The workers.
        runtime: The ClusterTrainingRuntime.
    """
    return {
        "runtimeRef": {"apiGroup": TRAIN_JOB.group, "kind": "ClusterTrainingRuntime", "name": runtime},
        "trainer": {
            "image": program.image,
            "command": list(program.command),
            "args": [],
            "env": program.env,
            "numNodes": workers.count,
            "resourcesPerNode": workers.resources,
        },
    }


def choose_runtime(api: Api, named: str = "") -> str:
    """Return the training runtime: the named one, else ours if the cluster has it, else the stock one.

    Args:
        api: The cluster.
        named: A ClusterTrainingRuntime; may be empty.

    Raises:
        KubeflowError: If the cluster does not respond.
    """
    if named:
        return named
    with refusals(api, TRAIN_JOB, "get"):
        try:
            api.get(f"{TRAIN_JOB.api_path}/clustertrainingruntimes/{OUR_RUNTIME}")
        except ApiError as error:
            if error.status not in (403, 404):
                raise
            progress(
                f"training runtime {OUR_RUNTIME} cannot be used ({error.message}), {STOCK_RUNTIME} is instead: "
                f"kubectl apply -k {TRAIN_JOB.role} installs it"
            )
            return STOCK_RUNTIME
    return OUR_RUNTIME
