"""Vendor the schemas of Kubeflow Trainer's CRDs: `vendor.py CHECKOUT`, a clone of github.com/kubeflow/trainer."""

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

VERSIONS = ("v2.0.1", "v2.1.0", "v2.2.0", "v2.3.0")
PLURALS = ("trainjobs", "clustertrainingruntimes")


def without_descriptions(schema: Any) -> Any:
    """Return a schema without its texts; a property named `description` stays."""
    if isinstance(schema, list):
        return [without_descriptions(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: without_descriptions(value)
        for key, value in schema.items()
        if not (key == "description" and isinstance(value, str))
    }


def main(checkout: str) -> None:
    for version in VERSIONS:
        for plural in PLURALS:
            path = f"{version}:manifests/base/crds/trainer.kubeflow.org_{plural}.yaml"
            text = subprocess.run(
                ["git", "-C", checkout, "show", path], capture_output=True, text=True, check=True
            ).stdout
            (crd,) = [one for one in yaml.safe_load_all(text) if one]
            (served,) = [one for one in crd["spec"]["versions"] if one["name"] == "v1alpha1"]
            schema = without_descriptions(served["schema"]["openAPIV3Schema"])
            content = json.dumps(schema, separators=(",", ":")).encode()
            name = f"{plural}-{version}.json.gz"
            (Path(__file__).parent / name).write_bytes(gzip.compress(content, 9, mtime=0))


if __name__ == "__main__":
    main(*sys.argv[1:])
