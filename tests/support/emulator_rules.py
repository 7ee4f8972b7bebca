"""The emulator's own rules for endpoints and deployments, with its errors as the SDK raises them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace

from azure_errors import response_error
from azureml_emulator.control_plane import online_endpoints, provisioning


def check_traffic(traffic: Mapping[str, int], mirror_traffic: Mapping[str, int], deployments: Iterable[str]) -> None:
    """Refuse the shares of an endpoint that the service would refuse."""
    there = list(deployments)
    with _errors_of_the_sdk():
        live = online_endpoints.checked_traffic(dict(traffic), there)
        online_endpoints.checked_mirror_traffic(dict(mirror_traffic), live, there)


def check_endpoint(name: str, state: str, was_provisioned: bool) -> None:
    """Refuse to update an endpoint that was never provisioned."""
    with _errors_of_the_sdk():
        provisioning.refuse_unprovisioned_endpoint(*_resource(name, state, was_provisioned), online_endpoints.PUT)


def check_new_deployment_on(endpoint_name: str, state: str, was_provisioned: bool) -> None:
    """Refuse a deployment on an endpoint that was never provisioned."""
    with _errors_of_the_sdk():
        provisioning.refuse_deployment_on(*_resource(endpoint_name, state, was_provisioned), online_endpoints.PUT)


def check_deployment(name: str, state: str, was_provisioned: bool) -> None:
    """Refuse to update a deployment that was never provisioned."""
    with _errors_of_the_sdk():
        provisioning.refuse_unprovisioned_deployment(*_resource(name, state, was_provisioned), "put")


def _resource(name: str, state: str, was_provisioned: bool) -> tuple[SimpleNamespace, dict[str, object]]:
    """Return the part of the emulator that knows past operations, and the resource as it stores it."""
    operations = SimpleNamespace(has_succeeded=lambda _kind, _resource: was_provisioned)
    return SimpleNamespace(operations=operations), {"name": name, "properties": {"provisioningState": state}}


@contextmanager
def _errors_of_the_sdk() -> Iterator[None]:
    try:
        yield
    except provisioning.ArmError as error:
        raise response_error(error.status, error.document()) from None
