"""The checks of Kubeflow, in order: what each needs of the others, and how an error is mended."""

from __future__ import annotations

from collections.abc import Iterator

from kfp_azureml.doctor.kubeflow.api import check_api, check_version, check_workflow_defaults
from kfp_azureml.doctor.kubeflow.cluster import (
    check_cluster,
    check_namespace,
    check_run_rights,
    check_service_account,
    check_user_rights,
)
from kfp_azureml.doctor.kubeflow.identity import check_secret, check_workload_identity
from kfp_azureml.doctor.kubeflow.images import check_images
from kfp_azureml.doctor.kubeflow.network_policy import check_network_policies
from kfp_azureml.doctor.kubeflow.train_workers import check_train_workers
from kfp_azureml.doctor.kubeflow.wanted import KubeflowSettings
from kfp_azureml.kubeflow.cluster import has_cluster
from kfp_azureml.runtime.checks import Check, skipped

_SIGN_IN = "az aks get-credentials --name CLUSTER --resource-group GROUP"
_SHOW = "kubectl get all --namespace NAMESPACE"
_FORWARD = (
    "kubectl port-forward --namespace kubeflow svc/ml-pipeline-ui 8080:80 (then export "
    "KF_PIPELINES_ENDPOINT=http://localhost:8080)"
)


def kubeflow_checks(settings: KubeflowSettings) -> Iterator[Check]:
    """Yield the checks of Kubeflow."""
    at, in_namespace = "kubeflow.cluster", ("kubeflow.cluster", "kubeflow.namespace")
    name = settings.account
    through_cluster = not settings.address
    yield Check("kubeflow.api", lambda _: check_api(settings), _FORWARD, needs=(at,) if through_cluster else ())
    yield Check(
        "kubeflow.version", lambda found: check_version(found["kubeflow.api"]), _FORWARD, needs=("kubeflow.api",)
    )
    if pipeline := settings.pipeline:
        yield Check("kubeflow.images", lambda _: check_images(pipeline), "make compile-pipeline OUTPUT=pipeline.yaml")
    if not (through_cluster or has_cluster()):
        yield Check(at, lambda _: skipped("no kubeconfig: only Kubeflow's API is checked"))
        return
    yield Check(at, lambda _: check_cluster(settings.context, settings.namespace), _SIGN_IN)
    yield Check("kubeflow.namespace", lambda found: check_namespace(found[at]), _SIGN_IN, needs=(at,))
    yield Check("kubeflow.workflow-defaults", lambda found: check_workflow_defaults(found[at]), _SHOW, needs=(at,))
    yield Check("kubeflow.user-rights", lambda found: check_user_rights(found[at]), _SHOW, needs=in_namespace)
    yield Check(
        "kubeflow.service-account",
        lambda found: check_service_account(found[at], name),
        _SHOW,
        needs=in_namespace,
    )
    yield Check(
        "kubeflow.run-rights",
        lambda found: check_run_rights(found[at], name),
        _SHOW,
        needs=(*in_namespace, "kubeflow.service-account"),
    )
    yield Check(
        "kubeflow.azcreds",
        lambda found: check_secret(found[at], found["kubeflow.service-account"]),
        _SHOW,
        needs=in_namespace,
        after=("kubeflow.service-account",),
    )
    yield Check(
        "kubeflow.workload-identity",
        lambda found: check_workload_identity(found["kubeflow.service-account"], found["kubeflow.azcreds"]),
        _SHOW,
        needs=("kubeflow.service-account",),
        after=("kubeflow.azcreds",),
    )
    yield Check("kubeflow.network-policy", lambda found: check_network_policies(found[at]), _SHOW, needs=in_namespace)
    yield Check(
        "kubeflow.train-workers",
        lambda found: check_train_workers(found[at], name, settings.pipeline),
        _SHOW,
        needs=(*in_namespace, "kubeflow.service-account"),
    )
