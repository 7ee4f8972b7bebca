"""The images of a compiled pipeline's tasks: which there are, and where the suite's own are pulled from.

Components name constant images, such as `kfp-azureml/ml:0.1.0`, which are in no registry. Whoever compiles a pipeline
says where they are, and every task of ours gets that image, whatever block or nested pipeline it is in.
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
    """Give every task of ours the image that was chosen, and every task of its registry the pull secret.

    Args:
        compiled: A compiled pipeline, which stays as it is.
        options: What was chosen. Images of other names, the user's own, are not touched.

    Raises:
        PipelineError: If a choice reaches no task.
    """
    chosen = deepcopy(compiled)
    ours = {"ml": options.ml_image, "ml-gpu": options.ml_gpu_image, "azure": options.azure_image}
    for label, container in chosen.containers.items():
        if options.names_images and (match := _OURS.fullmatch(container["image"])):
            container["image"] = ours[match["name"]]
        if options.pull_secret and _host(container["image"]) == _host(options.ml_image):
            _give_pull_secret(chosen.platform, label, options.pull_secret)
    _check_effect(options, {container["image"] for container in chosen.containers.values()}, set(ours.values()))
    return chosen


def image_names(compiled: Compiled) -> tuple[str, ...]:
    """Return the images that a compiled pipeline names, each once; one that is a parameter of the run is left out."""
    return tuple(sorted({box["image"] for box in compiled.containers.values() if "{{" not in box["image"]}))


def without_registry(names: Iterable[str]) -> Iterator[str]:
    """Return those of some images whose names begin with no registry's host, which a cluster takes from Docker Hub."""
    return (name for name in names if not re.match(r"localhost/|[^/]*[.:][^/]*/", name))


def _check_effect(options: PipelineOptions, there: Set[str], ours: Set[str]) -> None:
    names = ", ".join(sorted(there))
    if options.names_images and not there & ours:
        raise PipelineError(
            f"registry, tag or digest chosen, but no task has an image {images.REGISTRY}/... that they are for: {names}"
        )
    host = _host(options.ml_image)
    if options.pull_secret and host not in map(_host, there):
        raise PipelineError(
            f"pull secret {options.pull_secret}: no task has an image from {host}: name their registry, too: {names}"
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
