"""Hash a component's content, to detect whether a registered version is the same component."""

from __future__ import annotations

import json

from kfp_azureml.azureml.content_hash import text_hash
from kfp_azureml.azureml_pipelines.spec import IN_JOB, Spec


def spec_hash(spec: Spec) -> str:
    """Return the sha256 of a component without its version, including the code of its jobs."""
    document = {key: value for key, value in spec.document.items() if key != "version"}
    code = [path.read_text() for path in sorted(IN_JOB.glob("*.py"))] if spec.definition else []
    return text_hash(json.dumps(document, sort_keys=True), json.dumps(spec.definition, sort_keys=True), *code)
