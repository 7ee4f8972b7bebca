"""List the images of a compiled pipeline's tasks, and set those of the suite's tasks.

Components have constant images without a registry, such as `kfp-azureml/ml:0.1.0`. Compile options set registry, tag or
digest of these images in all tasks, including those in blocks and nested pipelines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Set
from copy import deepcopy
from typing import Any

from kfp_azureml import images
from kfp_azureml.compiling.documents import Compiled
from kfp_azureml.compiling.options import PipelineOptions
from kfp_azureml.runtime.errors import PipelineError

_OURS = re.compile(rf"{re.escape(images.REGISTRY)}/(?P<name>ml|ml-gpu|azure)[:@].+")


def with_images(compiled: Compiled, options: PipelineOptions) -> Compiled:
    """Set the images of the suite's tasks and the pull secret.

    Args:
        compiled: A compiled pipeline; it is not changed.
        options: Compile options. Other images, the user's own, are kept.

    Raises:
        PipelineError: If an option applies to no task.
    """
    chosen = deepcopy(compiled)
    ours = {"ml": options.ml_image, "ml-gpu": options.ml_gpu_image, "azure": options.azure_image}
    for label, container in chosen.containers.items():
        if options.sets_images and (match := _OURS.fullmatch(container["image"])):
            container["image"] = ours[match["name"]]
        if options.pull_secret and _host(container["image"]) == _host(options.ml_image):
            _give_pull_secret(chosen.platform, label, options.pull_secret)
    _check_effect(options, {container["image"] for container in chosen.containers.values()}, set(ours.values()))
    return chosen


def image_names(compiled: Compiled) -> tuple[str, ...]:
    """Return the distinct images of a compiled pipeline, without those set by a pipeline parameter."""
    return tuple(sorted({box["image"] for box in compiled.containers.values() if "{{" not in box["image"]}))


def without_registry(names: Iterable[str]) -> Iterator[str]:
    """Return the images without a registry's host, which a cluster pulls from Docker Hub."""
    return (name for name in names if not re.match(r"localhost/|[^/]*[.:][^/]*/", name))


def _check_effect(options: PipelineOptions, there: Set[str], ours: Set[str]) -> None:
    names = ", ".join(sorted(there))
    if options.sets_images and not there & ours:
        raise PipelineError(
            f"--registry, --tag and digests apply to images {images.REGISTRY}/..., but the pipeline has only {names}"
        )
    host = _host(options.ml_image)
    if options.pull_secret and host not in map(_host, there):
        raise PipelineError(
            f"--pull-secret {options.pull_secret}: no task uses registry {host}, but {names}: set --registry"
        )


def _host(image: str) -> str:
    return image.partition("/")[0]


def _give_pull_secret(platform: dict[str, Any], label: str, secret: str) -> None:
    settings: dict[str, Any] = platform
    for key in ("platforms", "kubernetes", "deploymentSpec", "executors", label):
        settings = settings.setdefault(key, {})
    secrets = settings.setdefault("imagePullSecret", [])
    if secret not in [entry.get("secretName") for entry in secrets]:
        secrets.append({"secretName": secret})
