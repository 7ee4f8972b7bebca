"""This step's own pod on Kubeflow: the workflow that owns it, and its image."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kfp_azureml.engines.api import Api
from kfp_azureml.engines.api_errors import ApiError
from kfp_azureml.engines.kinds import Kind
from kfp_azureml.engines.refusals import missing_right
from kfp_azureml.runtime.errors import KubeflowError

_CONTAINER = "main"  # Argo's name of the container with the step
_RUN_LABEL = "pipeline/runid"  # Kubeflow's


@dataclass(frozen=True)
class OwnPod:
    """What is known of the pod; all empty outside of Kubeflow.

    Attributes:
        image: The step's image.
        run_id: The pipeline run.
        owners: References to the workflow of the pipeline run. As the owner of what the step creates, it lets
            Kubernetes delete that with the workflow. The pod is not the owner: a retry of the step is another pod, and
            has to find alive what the first one created.
    """

    image: str = ""
    run_id: str = ""
    owners: tuple[dict[str, Any], ...] = ()


def read_own_pod(api: Api, kind: Kind, environ: Mapping[str, str] = os.environ) -> OwnPod:
    """Read this step's pod, which Kubeflow names in KFP_POD_NAME.

    Args:
        api: The cluster.
        kind: The kind of resource that the step creates.
        environ: The environment variables.

    Raises:
        KubeflowError: If there is one and it cannot be read, without which a retry would not find the resource.
    """
    name = environ.get("KFP_POD_NAME")
    if not name:
        return OwnPod()
    try:
        pod = api.get(f"/api/v1/namespaces/{api.namespace}/pods/{name}")
    except ApiError as error:
        reason = missing_right(api, kind, "get pods", error) if error.status == 403 else error.message
        raise KubeflowError(f"pod {name}, in which this step runs, cannot be read: {reason}") from None
    containers = pod.get("spec", {}).get("containers", [])
    image = next((str(one.get("image", "")) for one in containers if one.get("name") == _CONTAINER), "")
    about = pod["metadata"]
    owners = tuple(
        {key: owner[key] for key in ("apiVersion", "kind", "name", "uid")}
        for owner in about.get("ownerReferences", [])
        if owner.get("controller")
    )
    return OwnPod(image, str(about.get("labels", {}).get(_RUN_LABEL, "")), owners)
