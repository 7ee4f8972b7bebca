"""Validate resources with the schemas of CRDs, unknown fields refused, as an API server does with Strict."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

_TRAINER = Path(__file__).parent / "trainer_crds"
TRAINER_VERSIONS = ("v2.0.1", "v2.1.0", "v2.2.0", "v2.3.0")


def faults_of(resource: Mapping[str, Any], plural: str, version: str) -> list[str]:
    """Return what the CRD of a version of Kubeflow Trainer refuses in a resource.

    Not checked: rules in CEL (x-kubernetes-validations) and the metadata, which is not part of a CRD's schema.
    """
    errors = _validator(plural, version).iter_errors(resource)
    return sorted(f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in errors)


@cache
def _validator(plural: str, version: str) -> jsonschema.Draft202012Validator:
    schema = json.loads(gzip.decompress((_TRAINER / f"{plural}-{version}.json.gz").read_bytes()))
    schema = _strict(schema)
    schema["properties"]["metadata"] = {"type": "object"}
    return jsonschema.Draft202012Validator(schema)


def _strict(schema: Any) -> Any:
    """Return a schema that refuses unknown fields, in JSON Schema's own words."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        schema = {key: value for key, value in schema.items() if key not in ("type", "anyOf")}
    elif "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        schema = {"additionalProperties": False, **schema}
    return {key: _strict(value) for key, value in schema.items()}
