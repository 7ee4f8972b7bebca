"""How a pipeline's tasks become pods on Kubeflow: resources, user, timeout, retries, Azure identity, GPUs.

For any pipeline, ours or a user's own. kfp.local takes no notice of it, apart from a task's image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfp_azureml import images
from kfp_azureml.azcreds import SECRET_NAME, use_azure_secret
from kfp_azureml.compiling.options import PipelineOptions

if TYPE_CHECKING:
    from kfp.dsl import PipelineConfig, PipelineTask

WORKLOAD_IDENTITY_LABEL = "azure.workload.identity/use"
"""Azure's webhook gives pods with this label the identity of their service account."""

_PENDING_SECONDS = 3600
"""What an attempt may wait before it starts, for the backoff (30 s, 60 s, ...) and for a node."""


def for_kubeflow(
    task: PipelineTask,
    options: PipelineOptions,
    *,
    cpu: str,
    memory: str,
    timeout_seconds: int,
    retry: bool = True,
) -> PipelineTask:
    """Give a task what every pod needs: its resources, a user that is not root, an end, a pull secret, retries.

    A retry is safe for a step that leaves the same whichever attempt succeeds. All of the suite's do: prep, train,
    score and the gate write whole outputs or none, to the same place; register and deploy find what an earlier attempt
    made and finish the rest. It makes up for a lost pod. What it is made for is the installation's to say: kfp writes
    no retry policy, and a stock Kubeflow 2.17 has OnError as its default, with which a step that failed by itself
    stays failed (manifests/retries has another). So what is transient, the steps repeat themselves. Where there is
    another policy, a retry costs a repetition of the user's mistake: so there is one by default, and none for a step
    whose purpose is to refuse at once (`retry=False`), for which the installation's own default remains.

    Args:
        task: A task of a KFP pipeline; not that of a pipeline used as a component, or of an importer.
        options: What was chosen at compile time.
        cpu: CPUs, such as `2` or `500m`; a pipeline parameter will do. Limit and request at once: Kubernetes takes a
            limit for the request where there is none.
        memory: Memory, such as `2Gi`; likewise.
        timeout_seconds: When Kubernetes ends the pod, whatever it is doing; an image's download counts.
        retry: Whether to ask for `options.retries` more tries.

    Returns:
        The same task, so that calls can be chained.
    """
    from kfp import kubernetes
    from kfp.dsl.pipeline_channel import PipelineChannel

    task.set_cpu_limit(cpu).set_memory_limit(memory)
    # Without this kfp 2.17 forgets to hand a parameter down to a task in an If or ExitHandler when only limits use it.
    task.register_pipeline_channels([value for value in (cpu, memory) if isinstance(value, PipelineChannel)])
    kubernetes.set_security_context(
        task, run_as_user=images.RUN_AS_USER, run_as_group=images.RUN_AS_USER, run_as_non_root=True
    )
    timeout_seconds = options.timeouts.get(step_name(task), timeout_seconds)
    kubernetes.set_timeout(task, timeout_seconds)
    if options.pull_secret:
        kubernetes.set_image_pull_secrets(task, [options.pull_secret])
    if retry and options.retries:
        # Argo counts this from the first attempt's start, and ends the later ones by it: it is no limit of the backoff.
        all_attempts = (options.retries + 1) * (timeout_seconds + _PENDING_SECONDS)
        task.set_retry(options.retries, "30s", backoff_factor=2.0, backoff_max_duration=f"{all_attempts}s")
    return task


def time_to_live(options: PipelineOptions) -> PipelineConfig:
    """Return the pipeline's configuration, with the time after which a finished run's pods are removed.

    Each outcome has its own: a stock Kubeflow 2.17 has a default for each, which goes before one for all.

    Args:
        options: What was chosen at compile time.

    Returns:
        What `dsl.pipeline` takes as `pipeline_config`.
    """
    from kfp.dsl import PipelineConfig

    seconds = options.ttl_seconds
    return PipelineConfig(
        ttl_seconds_after_finished=seconds, ttl_seconds_after_success=seconds, ttl_seconds_after_failure=seconds
    )


def for_azure(task: PipelineTask, options: PipelineOptions, secret_name: str = SECRET_NAME) -> PipelineTask:
    """Give a task its identity in Azure: the secret `azcreds`, or that of the run's service account.

    With workload identity the pod gets a label and no secret; the subscription, which `azcreds` holds too, has to
    be an argument of the step (`subscription_id`).

    Args:
        task: A task of a KFP pipeline.
        options: What was chosen at compile time.
        secret_name: The secret's name in the namespace of the run; a pipeline parameter will do.

    Returns:
        The same task, so that calls can be chained.
    """
    from kfp import kubernetes

    if options.workload_identity:
        return kubernetes.add_pod_label(task, WORKLOAD_IDENTITY_LABEL, "true")
    return use_azure_secret(task, secret_name)


def for_gpu(task: PipelineTask, options: PipelineOptions) -> PipelineTask:
    """Give a training task the GPUs that were chosen, their nodes, and the image `ml-gpu`; without any nothing changes.

    Args:
        task: A task of a KFP pipeline.
        options: What was chosen at compile time.

    Returns:
        The same task, so that calls can be chained.
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


def step_name(task: PipelineTask) -> str:
    """Return a task's name as people know it: that of its component, `aml_deploy_model`."""
    name: str = task.name
    return name.replace("-", "_")
