"""A double of the SDK's client for online endpoints and deployments, in memory and in virtual time.

Reads return copies. What the service refuses is refused by the emulator's own rules: traffic that does not add up or
names a missing deployment, mirrored live traffic, updates of resources that were never provisioned. An operation on a
resource that is still changing is a conflict; deleting a deployment with traffic is accepted, and then fails.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from azure.ai.ml.entities import EndpointAuthKeys, KubernetesCompute, ManagedOnlineDeployment, ManagedOnlineEndpoint
from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError

import emulator_rules
from azure_errors import arm_error, response_error
from clock import Clock
from kfp_azureml.azureml.property_names import FINGERPRINT_PROPERTY

PREFIX = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws/onlineEndpoints"
KEY = "the-key-of-the-endpoint"


class _Computes:
    """The attached cluster `k8s`."""

    def get(self, name: str) -> KubernetesCompute:
        if name.lower() != "k8s":
            raise ResourceNotFoundError
        return KubernetesCompute(name=name, properties={"instanceTypes": {"defaultinstancetype": {}, "gpu": {}}})


class Operation:
    """A long-running operation with the interface of the SDK's poller.

    Args:
        clock: The virtual clock.
        seconds: Duration.
        result: Result.
        error: The error that it fails with.
    """

    def __init__(self, clock: Clock, seconds: float, result: Any = None, error: AzureError | None = None) -> None:
        self._clock, self._end, self._result, self._error = clock, clock.now + seconds, result, error

    def status(self) -> str:
        return "Succeeded" if self.done() else "InProgress"

    def done(self) -> bool:
        return self._clock.now >= self._end

    def wait(self, timeout: float) -> None:
        self._clock.sleep(timeout)

    def result(self) -> Any:
        if self._error:
            raise self._error
        return self._result

    def polling_method(self) -> None:
        return None


@dataclass
class Stored:
    """A resource and its current operation."""

    resource: Any
    until: float = 0.0
    state: str = "Succeeded"
    meanwhile: str = "Creating"
    provisioned: bool = True  # ever


def nothing(_write: Write) -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Write:
    """A request that changes something.

    Attributes:
        verb: `PUT` or `DELETE`.
        kind: `endpoint` or `deployment`.
        name: Name of the resource.
        resource: Body of a PUT.
    """

    verb: str
    kind: str
    name: str
    resource: Any = field(default=None, compare=False)

    def __str__(self) -> str:
        return f"{self.verb} {self.kind} {self.name}"


class Workspace:
    """The part of the SDK's MLClient that the rollout uses.

    Attributes:
        clock: Virtual clock of the operations.
        seconds: Duration of each operation.
        writes: Requests that took effect, in order.
        before: Called with each write before it takes effect; may raise or change state.
        after: Called with each write after it took effect, before the response; may raise.
        failing: Errors of operations by the write's text; the request itself is accepted.
        logs: Container logs by deployment.
        hidden_reads: Number of reads that do not find a new resource.
    """

    subscription_id, resource_group_name, workspace_name = "s", "rg", "ws"

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.seconds = 0.0
        self.writes: list[Write] = []
        self.before: Callable[[Write], None] = nothing
        self.after: Callable[[Write], None] = nothing
        self.failing: dict[str, AzureError] = {}
        self.logs: dict[str, str] = {}
        self.hidden_reads = 0
        self._hidden: dict[Any, int] = {}
        self.traffic_written: list[dict[str, int]] = []
        self.mirror_written: list[dict[str, int]] = []
        self._endpoints: dict[str, Stored] = {}
        self._deployments: dict[tuple[str, str], Stored] = {}
        self.online_endpoints = _Endpoints(self)
        self.online_deployments = _Deployments(self)
        self.environments = _Environments()
        self.compute: Any = _Computes()

    def add(self, endpoint: ManagedOnlineEndpoint, *deployments: ManagedOnlineDeployment) -> None:
        """Add an endpoint with deployments."""
        name = str(endpoint.name)
        self._endpoints[name] = Stored(_made(endpoint, f"{PREFIX}/{name}"))
        for deployment in deployments:
            self.add_deployment(name, deployment)

    def add_deployment(
        self,
        endpoint_name: str,
        deployment: ManagedOnlineDeployment,
        state: str = "Succeeded",
        provisioned: bool = True,
    ) -> None:
        """Add a deployment to an endpoint."""
        resource_id = f"{PREFIX}/{endpoint_name}/deployments/{deployment.name}"
        self._deployments[endpoint_name, str(deployment.name)] = Stored(
            _made(deployment, resource_id), state=state, provisioned=provisioned
        )

    def set_state(self, name: str, state: str, provisioned: bool = True) -> None:
        """Set an endpoint's provisioning state."""
        self._endpoints[name].state, self._endpoints[name].provisioned = state, provisioned

    def forget_endpoint(self, name: str) -> None:
        """Delete an endpoint, as another client would."""
        del self._endpoints[name]
        for deployment in self.deployments(name):
            self.forget_deployment(name, deployment)

    def forget_deployment(self, endpoint_name: str, name: str) -> None:
        """Delete a deployment, as another client would."""
        del self._deployments[endpoint_name, name]

    def endpoint(self, name: str = "fashion") -> Any:
        """Return a stored endpoint, without a request."""
        return self._endpoints[name].resource

    def has_endpoint(self, name: str = "fashion") -> bool:
        """Return whether an endpoint exists."""
        return name in self._endpoints

    def deployments(self, endpoint_name: str = "fashion") -> dict[str, Any]:
        """Return an endpoint's stored deployments by name."""
        return {name: one.resource for (endpoint, name), one in self._deployments.items() if endpoint == endpoint_name}

    def traffic(self, name: str = "fashion") -> dict[str, int]:
        """Return the non-zero shares of the traffic."""
        return {one: share for one, share in self.endpoint(name).traffic.items() if share}

    @property
    def done(self) -> list[str]:
        """The requests that took effect, as texts."""
        return [str(write) for write in self.writes]

    # Used by the operations below.

    def perform(
        self, write: Write, find: Callable[[], Stored | None], effect: Callable[[], Stored | None]
    ) -> Operation:
        self.before(write)
        stored = find()
        if stored and self.is_busy(stored):
            raise response_error(409, arm_error("Conflict", "another operation is in progress"), ResourceExistsError)
        if write.verb == "PUT" and stored:
            check = emulator_rules.check_endpoint if write.kind == "endpoint" else emulator_rules.check_deployment
            check(write.name, stored.state, stored.provisioned)
        changed = effect()
        self.writes.append(write)
        if changed:
            changed.until = self.clock.now + self.seconds
        self.after(write)
        error = self.failing.get(str(write))
        if changed:
            changed.provisioned = (stored.provisioned if stored else False) or not error
            changed.state = "Failed" if error else changed.state
        if changed and not stored and self.hidden_reads:
            self._hidden[changed.resource.id] = self.hidden_reads
        result = copy.deepcopy(changed.resource) if changed else None
        return Operation(self.clock, self.seconds, result, error)

    def is_busy(self, stored: Stored) -> bool:
        return self.clock.now < stored.until

    def shown(self, stored: Stored | None) -> Any:
        if stored is not None and self._hidden.get(stored.resource.id):
            self._hidden[stored.resource.id] -= 1
            stored = None
        if stored is None:
            raise response_error(404, arm_error("ResourceNotFound"), ResourceNotFoundError)
        resource = copy.deepcopy(stored.resource)
        resource._provisioning_state = stored.meanwhile if self.is_busy(stored) else stored.state
        return resource


@dataclass
class _Endpoints:
    azure: Workspace

    def get(self, name: str) -> Any:
        endpoint = self.azure.shown(self.azure._endpoints.get(name))
        if endpoint.provisioning_state == "Creating":
            endpoint._scoring_uri = None
        return endpoint

    def list(self) -> Iterable[Any]:
        return [self.get(name) for name in self.azure._endpoints]

    def get_keys(self, name: str) -> EndpointAuthKeys:
        self.get(name)
        return EndpointAuthKeys(primary_key=KEY, secondary_key=f"second-{KEY}")

    def begin_create_or_update(self, endpoint: Any) -> Operation:
        azure, name = self.azure, str(endpoint.name)
        written = copy.deepcopy(endpoint)

        def find() -> Stored | None:
            return azure._endpoints.get(name)

        def put() -> Stored:
            emulator_rules.check_traffic(written.traffic, written.mirror_traffic, azure.deployments(name))
            azure.traffic_written.append({one: share for one, share in written.traffic.items() if share})
            azure.mirror_written.append({one: share for one, share in written.mirror_traffic.items() if share})
            _made(written, f"{PREFIX}/{name}")
            azure._endpoints[name] = Stored(written, meanwhile="Updating" if find() else "Creating")
            return azure._endpoints[name]

        return azure.perform(Write("PUT", "endpoint", name, written), find, put)

    def begin_delete(self, name: str) -> Operation:
        azure = self.azure

        def delete() -> None:
            azure.forget_endpoint(name)

        return azure.perform(Write("DELETE", "endpoint", name), lambda: azure._endpoints[name], delete)


@dataclass
class _Deployments:
    azure: Workspace

    def get(self, name: str, endpoint_name: str) -> Any:
        return self.azure.shown(self.azure._deployments.get((endpoint_name, name)))

    def list(self, endpoint_name: str) -> Iterable[Any]:
        return [self.get(name, endpoint_name) for name in self.azure.deployments(endpoint_name)]

    def get_logs(self, name: str, endpoint_name: str, _lines: int) -> str:
        self.get(name, endpoint_name)
        return self.azure.logs.get(name, f"the log of {name}\n")

    def begin_create_or_update(self, deployment: Any) -> Operation:
        azure, key = self.azure, (str(deployment.endpoint_name), str(deployment.name))
        written = copy.deepcopy(deployment)

        def find() -> Stored | None:
            return azure._deployments.get(key)

        def put() -> Stored:
            endpoint = azure._endpoints.get(key[0])
            if endpoint is None:
                raise response_error(404, arm_error("ParentResourceNotFound"), ResourceNotFoundError)
            emulator_rules.check_new_deployment_on(key[0], endpoint.state, endpoint.provisioned)
            if azure.is_busy(endpoint):
                raise response_error(409, arm_error("Conflict", "the endpoint is being changed"), ResourceExistsError)
            meanwhile = "Updating" if find() else "Creating"
            azure.add_deployment(key[0], written)
            azure._deployments[key].meanwhile = meanwhile
            return azure._deployments[key]

        return azure.perform(Write("PUT", "deployment", key[1], written), find, put)

    def begin_delete(self, name: str, endpoint_name: str) -> Operation:
        azure = self.azure

        def delete() -> None:
            azure.forget_deployment(endpoint_name, name)

        write = Write("DELETE", "deployment", name)
        endpoint = azure.endpoint(endpoint_name)
        if endpoint.traffic.get(name) or endpoint.mirror_traffic.get(name):
            azure.before(write)
            said = f'"Can\'t delete deployment [{name}] with non-zero traffic weight, Current traffic [100]."'
            error = response_error(200, arm_error("InferencingClientCallFailed", said))
            return Operation(azure.clock, azure.seconds, error=error)
        return azure.perform(write, lambda: azure._deployments[endpoint_name, name], delete)


class _Environments:
    def get(self, name: str, version: str) -> SimpleNamespace:
        return SimpleNamespace(name=name, version=version)


def _made(resource: Any, resource_id: str) -> Any:
    """Add the fields that the service adds."""
    resource._id = resource_id
    if "/deployments/" not in resource_id:
        resource._scoring_uri = f"https://{resource.name}.region.inference.ml.azure.com/score"
    return resource


def deployment(name: str, *, instance_count: int = 1, fingerprint: str = "print") -> ManagedOnlineDeployment:
    """Return a deployment."""
    return ManagedOnlineDeployment(
        name=name,
        endpoint_name="fashion",
        instance_type="Standard_DS3_v2",
        instance_count=instance_count,
        properties={FINGERPRINT_PROPERTY: fingerprint},
    )


def endpoint(
    traffic: dict[str, int] | None = None, mirror_traffic: dict[str, int] | None = None, **tags: str
) -> ManagedOnlineEndpoint:
    """Return an endpoint with tags and properties of another team."""
    return ManagedOnlineEndpoint(
        name="fashion",
        auth_mode="key",
        tags={"owner": "shop", **tags},
        properties={"theirs": "1", "createdBy": "sdk", "createdAt": "sdk", "lastModifiedAt": "sdk"},
        description="of the shop",
        traffic=traffic,
        mirror_traffic=mirror_traffic,
    )
