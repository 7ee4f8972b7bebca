"""Command-line options for compiling, and their conversion to `PipelineOptions`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kfp_azureml.compiling.param_option import by_name
from kfp_azureml.compiling.renamed_option import RenamedOption
from kfp_azureml.runtime.errors import PipelineError

if TYPE_CHECKING:
    from kfp_azureml.compiling.gpu import Gpu
    from kfp_azureml.compiling.options import PipelineOptions

Command = TypeVar("Command", bound=Callable[..., Any])


_IMAGES = (
    click.option(
        "--registry",
        help="Image registry and path, such as myregistry.azurecr.io/kfp-azureml.  [default: kfp-azureml]",
    ),
    click.option("--tag", help="Image tag.  [default: the package version]"),
    click.option("--ml-digest", metavar="DIGEST", help="Digest of the ml image, sha256:..., instead of the tag."),
    click.option("--azure-digest", metavar="DIGEST", help="Digest of the azure image, instead of the tag."),
    click.option(
        "--ml-gpu-digest", metavar="DIGEST", help="Digest of the ml-gpu image, instead of the tag; requires GPUs."
    ),
)
_PULL_SECRET = click.option("--pull-secret", metavar="NAME", help="Image pull secret.  [default: none]")
_PODS = (
    click.option(
        "--gpu",
        "gpu_count",
        type=int,
        metavar="COUNT",
        help="Number of GPUs for train; selects the image ml-gpu.  [default: 0]",
    ),
    click.option(
        "--gpu-type", metavar="RESOURCE", help="Kubernetes resource name of a GPU.  [default: nvidia.com/gpu]"
    ),
    click.option(
        "--gpu-node-selector",
        multiple=True,
        callback=by_name,
        metavar="LABEL=VALUE",
        help="Node label for train; repeatable.  [default: none]",
    ),
    click.option(
        "--gpu-toleration",
        multiple=True,
        metavar="TAINT",
        help="Taint that train tolerates, KEY=VALUE:EFFECT; repeatable.  [default: sku=gpu:NoSchedule]",
    ),
    click.option("--workload-identity", is_flag=True, help="Use workload identity instead of the secret azcreds."),
    click.option(
        "--retries", type=int, metavar="COUNT", help="Number of retries of a step whose pod was lost.  [default: 1]"
    ),
    click.option(
        "--ttl",
        "ttl_seconds",
        type=int,
        metavar="SECONDS",
        help="Time to keep a finished run's pods, in seconds.  [default: the cluster's]",
    ),
)
_TRAIN_WORKERS = click.option(
    "--train-workers", type=int, metavar="COUNT", help="Number of workers that train together.  [default: 1]"
)
_GPU_IMAGE = click.option(
    "--ml-gpu",
    "--gpu",
    "gpu_count",
    cls=RenamedOption,
    is_flag=True,
    help="Use the image ml-gpu for train, on a compute with GPUs.",
)


def compile_flags(former_step_timeout: str = "") -> Callable[[Command], Command]:
    """Add the options of compiling for Kubeflow to a command, for `options_from`.

    Args:
        former_step_timeout: Former name of `--step-timeout`, which is still accepted.
    """
    return _with_flags(*_IMAGES, _PULL_SECRET, *_PODS, _TRAIN_WORKERS, _step_timeout(former_step_timeout))


def image_flags() -> Callable[[Command], Command]:
    """Add the options that select the images of Azure ML components to a command, for `options_from`."""
    return _with_flags(*_IMAGES, _GPU_IMAGE)


def job_flags() -> Callable[[Command], Command]:
    """Add the options of compiling that apply to Azure ML jobs to a command, for `options_from`."""
    return _with_flags(*_IMAGES, _GPU_IMAGE, _TRAIN_WORKERS, _step_timeout())


def _step_timeout(former: str = "") -> Callable[[Command], Command]:
    return click.option(
        "--step-timeout",
        *filter(None, [former]),
        "timeouts",
        cls=RenamedOption,
        multiple=True,
        callback=by_name,
        metavar="STEP=SECONDS",
        help="Timeout of a step in seconds, such as train=172800; repeatable.  [default: the pipeline's]",
    )


def _with_flags(*flags: Callable[[Any], Any]) -> Callable[[Command], Command]:
    def with_flags(command: Command) -> Command:
        for flag in reversed(flags):
            command = flag(command)
        return command

    return with_flags


def options_from(flags: Mapping[str, Any]) -> PipelineOptions:
    """Convert the options' values to compile options.

    Args:
        flags: The values by parameter name, as click passes them.

    Raises:
        PipelineError: If a value is invalid or requires another option.
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
        details = {"--gpu-type": kind, "--gpu-node-selector": node_selector, "--gpu-toleration": taints}
        for flag in (name for name, value in details.items() if value):
            raise PipelineError(f"{flag} is set, but no GPUs: set --gpu COUNT")
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
