"""Pod settings of tasks on Kubeflow: resources, user, timeout, retries, Azure identity, GPUs.

For any pipeline, the suite's or a user's own. Local runs ignore them, except for a task's image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfp_azureml import images
from kfp_azureml.azcreds import SECRET_NAME, use_azure_secret
from kfp_azureml.compiling.gpu import Gpu
from kfp_azureml.compiling.options import PipelineOptions
from kfp_azureml.databricks_secret import use_databricks_secret
from kfp_azureml.runtime.errors import PipelineError

if TYPE_CHECKING:
    from kfp.dsl import PipelineConfig, PipelineTask

WORKLOAD_IDENTITY_LABEL = "azure.workload.identity/use"
"""Azure's webhook assigns pods with this label the identity of their service account."""

_PENDING_SECONDS = 3600
"""Maximum time before an attempt starts, for the backoff (30 s, 60 s, ...) and for a node."""

DEFAULT_RETRIES = 1


def for_kubeflow(
    task: PipelineTask,
    options: PipelineOptions,
    *,
    cpu: str,
    memory: str,
    timeout_seconds: int,
    retry: bool = True,
) -> PipelineTask:
    """Set a task's resource limits, user, timeout, pull secret and retries.

    Retries are safe since all steps of the suite are idempotent. They cover lost pods only: kfp writes no retry policy,
    and the default of Kubeflow 2.17 is OnError, with which a step whose own process failed is not retried
    (manifests/retries changes that). So steps retry transient errors themselves.

    Args:
        task: A task of a KFP pipeline; not that of a nested pipeline or an importer.
        options: Compile options.
        cpu: CPU limit, such as `2` or `500m`, or a pipeline parameter; Kubernetes uses it as the request too.
        memory: Memory limit, such as `2Gi`, or a pipeline parameter; Kubernetes uses it as the request too.
        timeout_seconds: Timeout of the pod in seconds, including the image pull.
        retry: Whether to set `options.retries`; False keeps the cluster's default, for a step such as preflight whose
            errors a retry would only delay.

    Returns:
        The same task, for chaining.
    """
    from kfp import kubernetes
    from kfp.dsl.pipeline_channel import PipelineChannel

    task.set_cpu_limit(cpu).set_memory_limit(memory)
    # kfp 2.17 does not pass a parameter that only limits use into an If or ExitHandler.
    task.register_pipeline_channels([value for value in (cpu, memory) if isinstance(value, PipelineChannel)])
    kubernetes.set_security_context(
        task, run_as_user=images.RUN_AS_USER, run_as_group=images.RUN_AS_USER, run_as_non_root=True
    )
    timeout_seconds = options.timeouts.get(step_name(task), timeout_seconds)
    kubernetes.set_timeout(task, timeout_seconds)
    if options.pull_secret:
        kubernetes.set_image_pull_secrets(task, [options.pull_secret])
    retries = DEFAULT_RETRIES if options.retries is None else options.retries
    if retry and retries:
        # For Argo this is not a limit of the backoff but of all attempts, from the start of the first.
        all_attempts = (retries + 1) * (timeout_seconds + _PENDING_SECONDS)
        task.set_retry(retries, "30s", backoff_factor=2.0, backoff_max_duration=f"{all_attempts}s")
    return task


def time_to_live(options: PipelineOptions) -> PipelineConfig:
    """Return the pipeline configuration with the time to keep a finished run's pods.

    It is set for each outcome, since the defaults of Kubeflow 2.17 for single outcomes override one for all.

    Args:
        options: Compile options.

    Returns:
        The `pipeline_config` of `dsl.pipeline`.
    """
    from kfp.dsl import PipelineConfig

    seconds = options.ttl_seconds
    return PipelineConfig(
        ttl_seconds_after_finished=seconds, ttl_seconds_after_success=seconds, ttl_seconds_after_failure=seconds
    )


def for_azure(task: PipelineTask, options: PipelineOptions, secret_name: str = SECRET_NAME) -> PipelineTask:
    """Set a task's identity in Azure: the secret `azcreds` or workload identity.

    With workload identity the pod gets a label and no secret, so the step needs the argument `subscription_id`.

    Args:
        task: A task of a KFP pipeline.
        options: Compile options.
        secret_name: The secret's name in the run's namespace, or a pipeline parameter.

    Returns:
        The same task, for chaining.
    """
    from kfp import kubernetes

    if options.workload_identity:
        return kubernetes.add_pod_label(task, WORKLOAD_IDENTITY_LABEL, "true")
    return use_azure_secret(task, secret_name)


def for_databricks(task: PipelineTask, options: PipelineOptions) -> PipelineTask:
    """Set a Databricks task's identity: that of `for_azure`, and the optional secret `databricks`.

    Args:
        task: A task of a KFP pipeline.
        options: Compile options.

    Returns:
        The same task, for chaining.
    """
    return use_databricks_secret(for_azure(task, options))


def for_gpu(task: PipelineTask, options: PipelineOptions) -> PipelineTask:
    """Set a training task's GPUs, nodes and the image `ml-gpu`, if `options.gpu` is set.

    Args:
        task: A task of a KFP pipeline.
        options: Compile options.

    Returns:
        The same task, for chaining.
    """
    from kfp import kubernetes

    gpu = options.gpu
    if gpu is None:
        return task
    task.set_container_image(options.ml_gpu_image).set_accelerator_type(gpu.type).set_accelerator_limit(gpu.count)
    for key, value in gpu.node_selector.items():
        kubernetes.add_node_selector(task, key, value)
    for taint in gpu.taints:
        operator = "Exists" if taint.value is None else "Equal"
        kubernetes.add_toleration(task, key=taint.key, operator=operator, value=taint.value, effect=taint.effect)
    return task


def worker_gpus(options: PipelineOptions) -> dict[str, Any]:
    """Return the arguments of the component `train_distributed` for `options.gpu`.

    Args:
        options: Compile options.

    Raises:
        PipelineError: If nodes are chosen for the workers, which a TrainJob cannot do.
    """
    gpu = options.gpu
    if gpu is None:
        return {}
    if gpu.node_selector or gpu.taints != Gpu().taints:
        raise PipelineError(
            "several train workers take node selectors and tolerations from their training runtime: set them in "
            "manifests/train-workers/runtime"
        )
    return {"worker_gpus": gpu.count, "gpu_type": gpu.type}


def step_name(task: PipelineTask) -> str:
    """Return a task's step name, such as `aml_deploy_model`."""
    name: str = task.name
    return name.replace("-", "_")
