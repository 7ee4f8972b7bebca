"""Register, find and list components of a workspace."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kfp_azureml.azureml.names import RESOURCE, check_name
from kfp_azureml.azureml.property_names import CONTENT_PROPERTY
from kfp_azureml.azureml_pipelines.interface import interface
from kfp_azureml.azureml_pipelines.sdk_error_messages import sdk_errors
from kfp_azureml.azureml_pipelines.spec import Spec
from kfp_azureml.azureml_pipelines.spec_hash import spec_hash
from kfp_azureml.runtime.errors import PipelineError

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Component

# What Azure ML gives to a component without a version, if it has one already: the time.
_SERVICE_VERSION = re.compile(r"\d{4}(-\d\d){5}-\d{7}")


@dataclass(frozen=True)
class RegisteredComponent:
    """A registered component.

    Attributes:
        name: Its name.
        version: Its version.
        found: Whether it was already registered with the same content.
    """

    name: str
    version: str
    found: bool


@dataclass(frozen=True)
class ComponentVersions:
    """A listed component.

    Attributes:
        name: Its name.
        versions: Its versions, the highest first.
        display_name: Display name of the highest version.
    """

    name: str
    versions: tuple[str, ...]
    display_name: str


def register_components(client: MLClient, specs: Iterable[Spec]) -> Iterator[RegisteredComponent]:
    """Register components, except those already registered with the same content.

    Args:
        client: A client of the workspace.
        specs: The components.

    Yields:
        The registration of each.

    Raises:
        PipelineError: If a component with the same name and version has other content.
    """
    for spec in specs:
        # Another client may register the same content at the same time.
        found = _is_registered(client, spec) or (not _create(client, spec) and _is_registered(client, spec))
        yield RegisteredComponent(spec.name, spec.version, found)


def registered_name(client: MLClient, spec: Spec) -> str:
    """Return a registered component's name in a pipeline.

    Raises:
        PipelineError: If it is not registered, or with other content.
    """
    if not _is_registered(client, spec):
        raise PipelineError(
            f"component {spec.name}, version {spec.version}, is not registered: register the pipeline's components "
            "first (kfp-azureml aml components register)"
        )
    return f"azureml:{spec.name}:{spec.version}"


def get_component(client: MLClient, name: str, version: str = "") -> Component:
    """Return a component of the workspace, for which `help()` shows the interface.

    Args:
        client: A client of the workspace.
        name: Its name.
        version: Its version; empty selects the highest.

    Raises:
        PipelineError: If it does not exist.
    """
    check_name(RESOURCE, name, "component")
    if version:
        check_name(RESOURCE, version, "version")
    version = version or _versions(client, name)[0]
    component = _find(client, name, version)
    if component is None:
        raise PipelineError(f"component {name} has no version {version}; it has {', '.join(_versions(client, name))}")
    # Otherwise `help()` shows that of the class.
    component.__doc__ = interface(component)
    return component


def list_components(client: MLClient) -> Iterator[ComponentVersions]:
    """Yield all components of the workspace that are not archived, sorted by name."""
    with sdk_errors("listing the components"):
        names = sorted(component.name for component in client.components.list())
    for name in names:
        with sdk_errors(f"listing the versions of component {name}"):
            versions = {each.version: each for each in client.components.list(name)}
        if versions:
            ordered = sorted(versions, key=version_order, reverse=True)
            yield ComponentVersions(name, tuple(ordered), versions[ordered[0]].display_name or name)


def version_order(version: str) -> tuple[int, object, str]:
    """Return a version's sort key: 0.9 before 0.10, invalid versions first, the service's own last."""
    from packaging.version import InvalidVersion, Version

    if _SERVICE_VERSION.fullmatch(version):
        return (2, version, version)
    try:
        return (1, Version(version), version)
    except InvalidVersion:
        return (0, version, version)


def _versions(client: MLClient, name: str) -> list[str]:
    with sdk_errors(f"listing the versions of component {name}"):
        versions = [component.version for component in client.components.list(name)]
    if not versions:
        raise PipelineError(f"component {name} does not exist in workspace {client.workspace_name}")
    return sorted(versions, key=version_order, reverse=True)


def _find(client: MLClient, name: str, version: str) -> Component | None:
    from azure.core.exceptions import ResourceNotFoundError

    with sdk_errors(f"reading component {name}, version {version}"):
        try:
            component: Component = client.components.get(name, version)
        except ResourceNotFoundError:
            return None
    return component


def _is_registered(client: MLClient, spec: Spec) -> bool:
    component = _find(client, spec.name, spec.version)
    if component is None:
        return False
    if (component.properties or {}).get(CONTENT_PROPERTY) != spec_hash(spec):
        raise PipelineError(
            f"component {spec.name}, version {spec.version}, is registered with other content, and a version cannot "
            "change: set a higher one (--version), or the images it was registered with"
        )
    return True


def _create(client: MLClient, spec: Spec) -> bool:
    """Register a component; return False if another client did."""
    from azure.ai.ml import load_component
    from azure.core.exceptions import HttpResponseError

    with (
        tempfile.TemporaryDirectory(prefix="kfp-azureml-") as folder,
        sdk_errors(f"registering component {spec.name}, version {spec.version}"),
    ):
        component = load_component(spec.write(Path(folder)))
        component.properties = {CONTENT_PROPERTY: spec_hash(spec)}
        try:
            client.components.create_or_update(component)
        except HttpResponseError as error:
            if error.status_code not in (400, 409) or _find(client, spec.name, spec.version) is None:
                raise
            return False
    return True
