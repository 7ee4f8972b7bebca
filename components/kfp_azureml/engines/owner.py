"""The owner of new resources: the workflow of the pipeline run, with which Kubernetes deletes them."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

from kfp_azureml.engines.api import Api
from kfp_azureml.engines.api_errors import ApiError

logger = logging.getLogger(__name__)


def owner_references(api: Api, environ: Mapping[str, str] = os.environ) -> list[dict[str, Any]]:
    """Return the reference to the workflow that created this step's pod; none outside of Kubeflow.

    The workflow is the owner, not the pod: a retry of the step is another pod, and has to find the resource alive.

    Args:
        api: The cluster.
        environ: The environment variables; Kubeflow sets KFP_POD_NAME in each step.
    """
    name = environ.get("KFP_POD_NAME")
    if not name:
        return []
    try:
        pod = api.get(f"/api/v1/namespaces/{api.namespace}/pods/{name}", for_seconds=0)
    except ApiError as error:
        logger.warning(
            "pod %s cannot be read (%s): what this step creates will not be deleted with the pipeline run's workflow",
            name,
            error.message,
        )
        return []
    return [
        {key: owner[key] for key in ("apiVersion", "kind", "name", "uid")}
        for owner in pod["metadata"].get("ownerReferences", [])
        if owner.get("controller")
    ]
