"""Curated environments: their references, and the packages that stand in for their images."""

from __future__ import annotations

import re
from dataclasses import dataclass

from azureml_emulator.arm.resources import PROVIDER
from azureml_emulator.store import Document, Store

PREFIX = "AzureML-"
"""Of the names by which a workspace knows the curated environments."""
REGISTRY_ID = re.compile(
    r"(?:azureml:)?(?P<registry>azureml://registries/[\w.-]+)/environments/(?P<name>[\w.-]+)"
    r"(?:/versions/(?P<version>[\w.-]+)|/labels/[\w.-]+)?",
    re.IGNORECASE,
)
SHORT_NAME = re.compile(
    r"(?:azureml:|(?:azureml:)?/subscriptions/.+/environments/)(?P<name>AzureML-[\w.-]+?)"
    r"(?:(?::|/versions/)(?P<version>[\w.-]+)|(?:@|/labels/)[\w.-]+)?",
    re.IGNORECASE,
)
TYPE = f"{PROVIDER}/workspaces/environments/versions"
LATEST = "1"
"""The version that a label selects: which one it is on the service changes every month."""
# The workspace's MLflow API is that of MLflow 2.
TRAINING = (
    *("numpy<2.4", "pandas<3", "scipy", "matplotlib", "joblib", "tqdm", "psutil"),
    *("azureml-mlflow", "mlflow-skinny<3"),
)


@dataclass(frozen=True)
class StandIn:
    """Packages of a family of images.

    Attributes:
        name: Pattern of the environments' names, without their prefix.
        requirements: What programs in these images import most.
    """

    name: str
    requirements: tuple[str, ...]


# From the images' definitions (Azure/azureml-assets). An image's exact versions need its own Python.
STAND_INS = (
    StandIn(r"sklearn-1\.5", ("scikit-learn~=1.5.0", *TRAINING)),
    StandIn(r"sklearn-.*", ("scikit-learn", *TRAINING)),
    StandIn(r"lightgbm.*", ("lightgbm", "xgboost", "scikit-learn", *TRAINING)),
    StandIn(r"tensorflow-2\..*", ("tensorflow", *TRAINING)),
    StandIn(r"(acpt-)?pytorch-[12]\..*", ("torch", "torchvision", "transformers", "pillow", *TRAINING)),
    StandIn(r"mlflow-.*", ("mlflow-skinny<3", "pandas", "scikit-learn")),
    StandIn(r"minimal-.*", ()),
    StandIn(r"python-sdk-v2", ("azure-ai-ml", "azure-identity", *TRAINING)),
)


def find_curated(store: Store, reference: str) -> Document | None:
    """Find an environment by a reference that only the service resolves.

    Args:
        store: Holds the workspace's own environments, which come first.
        reference: `azureml://registries/REGISTRY/environments/NAME/versions/V` or `.../labels/L`,
            `azureml:AzureML-NAME:V` or `...@L`, or the ARM id of `AzureML-NAME`.

    Returns:
        The workspace's environment, or a resource with the id that the service shows (recorded 2022 to 2024:
        `azureml://registries/...`) and no properties. None for other references.
    """
    if found := REGISTRY_ID.fullmatch(reference):
        return _resource(found["registry"], found["name"], found["version"])
    if found := SHORT_NAME.fullmatch(reference):
        own = _in_workspace(store, found["name"], found["version"])
        return own or _resource("azureml://registries/azureml", found["name"], found["version"])
    return None


def shown_reference(reference: str, environment: Document) -> str:
    """Return a job's environment as the service shows it: as sent if it has a version (recorded 2022 and 2023)."""
    found = REGISTRY_ID.fullmatch(reference) or SHORT_NAME.fullmatch(reference)
    return reference if found and found["version"] else str(environment["id"])


def find_stand_in(name: str) -> tuple[str, ...] | None:
    """Return the requirements that stand in for a curated environment; None if the emulator knows none."""
    known = (one for one in STAND_INS if re.fullmatch(one.name, without_prefix(name), re.IGNORECASE))
    return next((one.requirements for one in known), None)


def without_prefix(name: str) -> str:
    """Return a curated environment's name in its registry."""
    return name[len(PREFIX) :] if name.lower().startswith(PREFIX.lower()) else name


def _resource(registry: str, name: str, version: str | None) -> Document:
    resource_id = f"{registry}/environments/{name}/versions/{version or LATEST}"
    return {"id": resource_id, "name": version or LATEST, "type": TYPE, "properties": {}}


def _in_workspace(store: Store, name: str, version: str | None) -> Document | None:
    versions = [
        environment
        for environment in store.list_type(TYPE)
        if environment["id"].split("/")[-3].lower() == name.lower() and version in (None, environment["name"])
    ]
    return versions[-1] if versions else None
