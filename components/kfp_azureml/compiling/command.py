"""`kfp-azureml compile`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kfp_azureml.compiling.param_option import by_name
from kfp_azureml.errors import PipelineError

if TYPE_CHECKING:
    from kfp_azureml.compiling.gpu import Gpu


@click.command("compile")
@click.argument("pipeline", default="image_classification")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The YAML file. [default: PIPELINE.yaml here]")
@click.option("--registry", help="Where the images are, such as myregistry.azurecr.io/kfp-azureml.")
@click.option("--tag", help="The images' tag.")
@click.option("--ml-digest", metavar="DIGEST", help="The ml image's digest, sha256:..., instead of the tag.")
@click.option("--azure-digest", metavar="DIGEST", help="The azure image's, likewise.")
@click.option("--ml-gpu-digest", metavar="DIGEST", help="The ml-gpu image's, likewise; with --gpu.")
@click.option("--pull-secret", metavar="NAME", help="The Kubernetes secret to pull the images with.")
@click.option("--gpu", "gpu_count", type=int, metavar="COUNT", help="Train on GPUs, with the image ml-gpu.")
@click.option("--gpu-type", metavar="RESOURCE", help="What the nodes call a GPU. [default: nvidia.com/gpu]")
@click.option(
    "--gpu-node-selector",
    multiple=True,
    callback=by_name,
    metavar="LABEL=VALUE",
    help="A label of the GPU nodes; may be given several times. [default: none]",
)
@click.option(
    "--gpu-toleration",
    multiple=True,
    metavar="TAINT",
    help="A taint of the GPU nodes, KEY=VALUE:EFFECT; may be given several times. [default: sku=gpu:NoSchedule]",
)
@click.option("--workload-identity", is_flag=True, help="Sign in to Azure as the service account, without azcreds.")
@click.option("--retries", type=int, metavar="COUNT", help="How often a failed step is tried again. [default: 1]")
@click.option(
    "--timeout",
    "timeouts",
    multiple=True,
    callback=by_name,
    metavar="STEP=SECONDS",
    help="When to end a step, such as train=172800; may be given several times. [default: as the pipeline says]",
)
@click.option("--ttl", "ttl_seconds", type=int, metavar="SECONDS", help="When to remove a finished run's pods.")
def compile_command(
    pipeline: str,
    output: Path | None,
    gpu_count: int | None,
    gpu_type: str | None,
    gpu_node_selector: dict[str, str],
    gpu_toleration: tuple[str, ...],
    timeouts: dict[str, str],
    **values: Any,
) -> None:
    """Compile PIPELINE to YAML for the Kubeflow UI or `kfp run create`, and validate it."""
    from kfp_azureml.compiling.compile import compile_pipeline
    from kfp_azureml.compiling.options import PipelineOptions
    from kfp_azureml.compiling.sources import find_pipeline

    source = find_pipeline(pipeline)
    output = output or Path(f"{source.stem}.yaml")
    chosen = {name: value for name, value in values.items() if value not in (None, "")}
    options = PipelineOptions(
        gpu=_gpu(gpu_count, gpu_type, gpu_node_selector, gpu_toleration), timeouts=_seconds(timeouts), **chosen
    )
    compile_pipeline(source, output, options)
    click.echo(f"{output}: compiled and valid")


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
