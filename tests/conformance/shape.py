"""The shape of JSON bodies: keys with nesting, types, and values of enumerations, never contents."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from evidence import is_recent


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ENUMERATIONS = _words(
    "accessTier allocationState authMode computeType componentType createdByType credentialsType dataType "
    "datastoreType deploymentConfigurationType egressPublicNetworkAccess endpointComputeType environmentType "
    "failureThreshold identityType initialDelay jobInputType jobOutputType jobServiceType jobType kind "
    "loggingLevel maxQueueWait mode modelType nodeState operationName operationStatus operationTrigger osType "
    "outputAction percentComplete period provisioningState provisioningStatus publicNetworkAccess referenceType "
    "remoteLoginPortPublicAccess requestTimeout scaleType secretsType stage status successThreshold tier timeout "
    "tokenType type vmPriority"
)
"""Keys whose values are the service's own: enumerations, and defaults such as time limits."""
CHOSEN = _words(
    "authMode computeType createdByType credentialsType dataType lastModifiedByType modelType "
    "remoteLoginPortPublicAccess stage vmPriority"
)
"""Those that a client's request or credentials choose: their spelling is a fact, not which of them it is."""
FREE = _words("description friendlyName imageBuildCompute displayName")
"""Texts that users may leave out: null or a text."""
OPAQUE = frozenset({"jobs"})
"""Objects that are repeated as they were sent."""
BAGS = _words(
    "tags environmentVariables traffic mirrorTraffic inputs outputs services flavors parameters settings jobs "
    "userAssignedIdentities inputData outputData interactionEndpoints properties.properties"
)
"""Objects whose keys are names that users choose."""
OWN_KEYS = re.compile(r"azureml\.(?!git\.)|AzureAsync|_azureml")
"""Keys that the service adds to a bag; clients add what they know of git."""
ANY, ANYTHING = "*", "anything"
TYPES = {bool: "boolean", int: "number", float: "number", type(None): "null"}
STRINGS = (
    ("id", re.compile(r"/subscriptions/", re.IGNORECASE)),
    ("azureml", re.compile(r"azureml:")),
    ("url", re.compile(r"https?:")),
    ("time", re.compile(r"<time>|\d{4}-\d\d-\d\dT")),
)
"""Kinds of text and how they begin; a recording that hides the value is just a string, which may be any of them."""


@dataclass(frozen=True)
class Key:
    """A key of an object.

    Attributes:
        shape: What it holds.
        always_before: Whether every recording before the recent ones has it; true if there is none.
        always_since: Whether every recent recording has it; true if there is none.
    """

    shape: Shape
    always_before: bool = True
    always_since: bool = True


@dataclass(frozen=True)
class Shape:
    """The shape of one JSON value, or of all that were recorded at one place.

    Attributes:
        types: Names of the scalar types; `object` and `list` are told by the other attributes.
        values: Recorded values of an enumeration.
        recent_values: Those of recent recordings.
        keys: An object's keys; None if it was never an object.
        before: Whether an object was recorded before the recent ones.
        since: Whether an object was recorded recently.
        items: What lists hold; None if it was never a list. A list that was always empty holds the shape of nothing.
    """

    types: frozenset[str] = frozenset()
    values: frozenset[str] = frozenset()
    recent_values: frozenset[str] = frozenset()
    keys: dict[str, Key] | None = None
    before: bool = False
    since: bool = False
    items: Shape | None = None

    def __or__(self, other: Shape) -> Shape:
        return Shape(
            self.types | other.types,
            self.values | other.values,
            self.recent_values | other.recent_values,
            _merged_keys(self, other),
            self.before or other.before,
            self.since or other.since,
            other.items if self.items is None else self.items if other.items is None else self.items | other.items,
        )

    @property
    def kinds(self) -> frozenset[str]:
        """The names of all types, `object` and `list` included."""
        composed = {"object": self.keys, "list": self.items}
        return self.types | {name for name, value in composed.items() if value is not None}

    def is_required(self, key: Key) -> bool:
        """Return whether an answer must have a key, as every recent recording has; old ones count if none is recent."""
        return key.always_since if self.since else key.always_before


def shape_of(value: Any, year: int, name: str = "") -> Shape:
    """Return the shape of a value that was recorded in a year."""
    recent = is_recent(year)
    if name in OPAQUE:
        return Shape(frozenset({ANYTHING}))
    if isinstance(value, dict):
        keys: dict[str, Key] = {}
        for key, inner in value.items():
            at = ANY if is_name(name, key) else key
            shape = shape_of(inner, year, name_inside(name, value, key))
            keys[at] = Key(keys[at].shape | shape if at in keys else shape)
        return Shape(keys=keys, before=not recent, since=recent)
    if isinstance(value, list):
        items = Shape()
        for inner in value:
            items |= shape_of(inner, year, name)
        return Shape(items=items)
    values: frozenset[str] = frozenset()
    if name.rpartition(".")[2] in ENUMERATIONS and value is not None and not str(value).startswith("<"):
        values = frozenset({str(value)})
    return Shape(frozenset({type_of(value)}), values, values if recent else frozenset())


def type_of(value: Any) -> str:
    """Return the name of a scalar's type; texts have several."""
    if isinstance(value, str):
        return next((name for name, pattern in STRINGS if pattern.match(value)), "string")
    return TYPES[type(value)]


def name_inside(parent: str, value: dict[str, Any], key: str) -> str:
    """Return a key's name for the rules: users fill `properties.properties`, except in computes."""
    is_bag = key == parent == "properties" and "computeType" not in value
    return "properties.properties" if is_bag else key


def values_at(shape: Shape, path: tuple[str, ...]) -> frozenset[str]:
    """Return the recorded values of an enumeration at a path of keys."""
    for key in path:
        shape = shape.keys[key].shape if shape.keys and key in shape.keys else Shape()
    return shape.values


def is_name(parent: str, key: str) -> bool:
    """Return whether an object's key is a name of a user's choice."""
    return key.startswith(("<", "/")) or (parent in BAGS and not OWN_KEYS.match(key))


def _merged_keys(one: Shape, other: Shape) -> dict[str, Key] | None:
    if one.keys is None or other.keys is None:
        return other.keys if one.keys is None else one.keys
    merged = {}
    for name in [*one.keys, *(name for name in other.keys if name not in one.keys)]:
        both = [(side, side.keys[name]) for side in (one, other) if side.keys and name in side.keys]
        shape = both[0][1].shape if len(both) == 1 else both[0][1].shape | both[1][1].shape
        key = Key(shape, all(key.always_before for _, key in both), all(key.always_since for _, key in both))
        if len(both) == 1:
            without = other if name in one.keys else one
            key = replace(
                key,
                always_before=key.always_before and not without.before,
                always_since=key.always_since and not without.since,
            )
        merged[name] = key
    return merged
