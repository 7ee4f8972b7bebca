"""The options of every command that compiles a pipeline, and what they make of `PipelineOptions`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kfp_azureml.compiling.param_option import by_name
from kfp_azureml.runtime.errors import PipelineError

if TYPE_CHECKING:
    from kfp_azureml.compiling.gpu import Gpu
    from kfp_azureml.compiling.options import PipelineOptions

Command = TypeVar("Command", bound=Callable[..., Any])


_IMAGES = (
    click.option("--registry", help="Where the images are, such as myregistry.azurecr.io/kfp-azureml."),
    click.option("--tag", help="The images' tag."),
    click.option("--ml-digest", metavar="DIGEST", help="The ml image's digest, sha256:..., instead of the tag."),
    click.option("--azure-digest", metavar="DIGEST", help="The azure image's, likewise."),
    click.option("--ml-gpu-digest", metavar="DIGEST", help="The ml-gpu image's, likewise; with --gpu."),
)
_PULL_SECRET = click.option("--pull-secret", metavar="NAME", help="The Kubernetes secret to pull the images with.")
_PODS = (
    click.option("--gpu", "gpu_count", type=int, metavar="COUNT", help="Train on GPUs, with the image ml-gpu."),
    click.option("--gpu-type", metavar="RESOURCE", help="What the nodes call a GPU. [default: nvidia.com/gpu]"),
    click.option(
        "--gpu-node-selector",
        multiple=True,
        callback=by_name,
        metavar="LABEL=VALUE",
        help="A label of the GPU nodes; may be given several times. [default: none]",
    ),
    click.option(
        "--gpu-toleration",
        multiple=True,
        metavar="TAINT",
        help="A taint of the GPU nodes, KEY=VALUE:EFFECT; may be repeated. [default: sku=gpu:NoSchedule]",
    ),
    click.option("--workload-identity", is_flag=True, help="Sign in to Azure as the service account, without azcreds."),
    click.option(
        "--retries", type=int, metavar="COUNT", help="How often to try a step again that lost its pod. [default: 1]"
    ),
    click.option("--ttl", "ttl_seconds", type=int, metavar="SECONDS", help="When to remove a finished run's pods."),
)
_GPU_IMAGE = click.option(
    "--gpu", "gpu_count", is_flag=True, help="Train with the image ml-gpu; the compute has the GPUs."
)
_IMAGE_NAMES = ("registry", "tag", "ml_digest", "azure_digest", "ml_gpu_digest", "pull_secret")


def compile_flags(step_timeout: str = "--timeout") -> Callable[[Command], Command]:
    """Give a command the options of compiling for Kubeflow; they arrive as keyword arguments, for `options_from`.

    Args:
        step_timeout: What ends a step in time; another name where the command itself has a `--timeout`.
    """
    return _with_flags(*_IMAGES, _PULL_SECRET, *_PODS, _step_timeout(step_timeout))


def image_flags() -> Callable[[Command], Command]:
    """Give a command the options that say which images Azure ML components run in, for `options_from`."""
    return _with_flags(*_IMAGES, _GPU_IMAGE)


def job_flags() -> Callable[[Command], Command]:
    """Give a command the options of compiling that have an effect in an Azure ML job, for `options_from`."""
    return _with_flags(*_IMAGES, _GPU_IMAGE, _step_timeout("--step-timeout"))


def _step_timeout(name: str) -> Callable[[Command], Command]:
    return click.option(
        name,
        "timeouts",
        multiple=True,
        callback=by_name,
        metavar="STEP=SECONDS",
        help="When to end a step, such as train=172800; may be repeated. [default: as the pipeline says]",
    )


def _with_flags(*flags: Callable[[Any], Any]) -> Callable[[Command], Command]:
    def with_flags(command: Command) -> Command:
        for flag in reversed(flags):
            command = flag(command)
        return command

    return with_flags


def check_compiled(pipeline: str, flags: Mapping[str, Any]) -> None:
    """Refuse options that come too late for a pipeline that is compiled already: all but those of its images.

    Raises:
        PipelineError: If there is no such pipeline.
        UsageError: If one was given.
    """
    from kfp_azureml.compiling.sources import find_pipeline

    too_late = {name: value for name, value in flags.items() if name not in _IMAGE_NAMES}
    if any(value not in (None, False, "", (), {}) for value in too_late.values()) and (
        find_pipeline(pipeline).suffix != ".py"
    ):
        raise click.UsageError(
            f"{pipeline} is compiled already: its images can be chosen; other options are for a .py file or a name"
        )


def options_from(flags: Mapping[str, Any]) -> PipelineOptions:
    """Turn the options' values into what a pipeline is built with.

    Args:
        flags: The values by parameter name, as click hands them over.

    Raises:
        PipelineError: If they do not fit, in themselves or together.
    """
    from kfp_azureml.compiling.options import PipelineOptions

    rest = dict(flags)
    gpu = _gpu(
        rest.pop("gpu_count", None),
        rest.pop("gpu_type", None),
        rest.pop("gpu_node_selector", {}),
        rest.pop("gpu_toleration", ()),
    )
    timeouts = _seconds(rest.pop("timeouts", {}))
    return PipelineOptions(
        gpu=gpu, timeouts=timeouts, **{name: value for name, value in rest.items() if value not in (None, "")}
    )


def _gpu(count: int | None, kind: str | None, node_selector: dict[str, str], taints: tuple[str, ...]) -> Gpu | None:
    from kfp_azureml.compiling.gpu import Gpu, Taint

    if not count:
        if kind or node_selector or taints:
            raise PipelineError("a GPU type, node selector or toleration is given, but no GPU: add --gpu COUNT")
        return None
    chosen: dict[str, Any] = {"type": kind} if kind else {}
    if taints:
        chosen["taints"] = tuple(map(Taint.parse, taints))
    return Gpu(int(count), node_selector=node_selector, **chosen)


def _seconds(timeouts: dict[str, str]) -> dict[str, int]:
    seconds = {}
    for step, text in timeouts.items():
        if not text.isdecimal():
            raise PipelineError(f"timeout of {step} {text!r}: expected seconds, such as {step}=3600")
        seconds[step] = int(text)
    return seconds
