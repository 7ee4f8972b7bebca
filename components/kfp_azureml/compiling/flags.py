"""The options of every command that compiles a pipeline, and what they make of `PipelineOptions`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kfp_azureml.compiling.param_option import by_name
from kfp_azureml.errors import PipelineError

if TYPE_CHECKING:
    from kfp_azureml.compiling.gpu import Gpu
    from kfp_azureml.compiling.options import PipelineOptions

Command = TypeVar("Command", bound=Callable[..., Any])


def compile_flags(step_timeout: str = "--timeout") -> Callable[[Command], Command]:
    """Give a command the options of compiling; they arrive as keyword arguments, for `options_from`.

    Args:
        step_timeout: What ends a step in time; another name where the command itself has a `--timeout`.
    """
    flags = (
        click.option("--registry", help="Where the images are, such as myregistry.azurecr.io/kfp-azureml."),
        click.option("--tag", help="The images' tag."),
        click.option("--ml-digest", metavar="DIGEST", help="The ml image's digest, sha256:..., instead of the tag."),
        click.option("--azure-digest", metavar="DIGEST", help="The azure image's, likewise."),
        click.option("--ml-gpu-digest", metavar="DIGEST", help="The ml-gpu image's, likewise; with --gpu."),
        click.option("--pull-secret", metavar="NAME", help="The Kubernetes secret to pull the images with."),
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
        click.option(
            "--workload-identity", is_flag=True, help="Sign in to Azure as the service account, without azcreds."
        ),
        click.option(
            "--retries", type=int, metavar="COUNT", help="How often to try a step again that lost its pod. [default: 1]"
        ),
        click.option(
            step_timeout,
            "timeouts",
            multiple=True,
            callback=by_name,
            metavar="STEP=SECONDS",
            help="When to end a step, such as train=172800; may be repeated. [default: as the pipeline says]",
        ),
        click.option("--ttl", "ttl_seconds", type=int, metavar="SECONDS", help="When to remove a finished run's pods."),
    )

    def with_flags(command: Command) -> Command:
        for flag in reversed(flags):
            command = flag(command)
        return command

    return with_flags


def any_given(flags: Mapping[str, Any]) -> bool:
    """Say whether one of the options was given."""
    return any(value is not None and value is not False and value not in ("", (), {}) for value in flags.values())


def options_from(flags: Mapping[str, Any]) -> PipelineOptions:
    """Turn the options' values into what a pipeline is built with.

    Args:
        flags: The values by parameter name, as click hands them over.

    Raises:
        PipelineError: If they do not fit, in themselves or together.
    """
    from kfp_azureml.compiling.options import PipelineOptions

    rest = dict(flags)
    gpu = _gpu(*(rest.pop(name) for name in ("gpu_count", "gpu_type", "gpu_node_selector", "gpu_toleration")))
    timeouts = _seconds(rest.pop("timeouts"))
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
    return Gpu(count, node_selector=node_selector, **chosen)


def _seconds(timeouts: dict[str, str]) -> dict[str, int]:
    seconds = {}
    for step, text in timeouts.items():
        if not text.isdecimal():
            raise PipelineError(f"timeout of {step} {text!r}: expected seconds, such as {step}=3600")
        seconds[step] = int(text)
    return seconds
