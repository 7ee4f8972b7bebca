"""Check the cluster: reachable, its namespace, and the rights of the user and of the runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kfp_azureml.kubeflow.cluster import Cluster, cluster_errors, open_cluster
from kfp_azureml.runtime.checks import Outcome, failed, passed, skipped, warning

REQUEST_SECONDS = (5.0, 10.0)
_WAIT: dict[str, Any] = {"_request_timeout": REQUEST_SECONDS}
_FORBIDDEN, _NOT_FOUND = 403, 404

# manifests/base/rights/role.yaml says what each is for.
RUN_RIGHTS = (
    ("argoproj.io", "workflowtaskresults", "create", ""),
    ("argoproj.io", "workflowtaskresults", "patch", ""),
    ("", "configmaps", "get", "kfp-launcher"),
    ("", "secrets", "get", "mlpipeline-minio-artifact"),
)
"""Rights of the pods of a run: API group, resource, verb, name."""
USER_RIGHTS = (
    ("", "secrets", "get", ""),
    ("", "secrets", "create", ""),
    ("", "secrets", "update", ""),
    ("", "pods", "list", ""),
    ("", "pods/log", "get", ""),
)
"""Rights that `azcreds` and the errors of `submit` need, likewise."""


def check_cluster(context: str | None, namespace: str | None) -> Outcome:
    """Check that a cluster is configured and responds; the outcome has it."""
    from kubernetes.client import ApiException, VersionApi

    cluster = open_cluster(context, namespace)
    with cluster_errors(cluster, "get", "the version"):
        try:
            version = VersionApi(cluster.core.api_client).get_code(**_WAIT)
        except ApiException as error:
            if error.status != _FORBIDDEN:
                raise
            return passed(f"{cluster.address} responds", cluster)
    return passed(f"Kubernetes {version.git_version} at {cluster.address}", cluster)


def check_namespace(cluster: Cluster) -> Outcome:
    """Check that the namespace of the runs exists."""
    from kubernetes.client import ApiException

    with cluster_errors(cluster, "get", "namespaces"):
        try:
            cluster.core.read_namespace(cluster.namespace, **_WAIT)
        except ApiException as error:
            if error.status == _FORBIDDEN:
                return passed(f"{cluster.namespace}; not checked, since you may not read namespaces")
            if error.status == _NOT_FOUND:
                return failed(
                    f"namespace {cluster.namespace} does not exist",
                    f"kubectl create namespace {cluster.namespace} (or set another with --namespace)",
                )
            raise
    return passed(f"{cluster.namespace} exists")


def check_service_account(cluster: Cluster, name: str) -> Outcome:
    """Check that the runs' service account exists; the outcome has it."""
    from kubernetes.client import ApiException

    what = f"service account {name}"
    with cluster_errors(cluster, "get", "serviceaccounts"):
        try:
            account = cluster.core.read_namespaced_service_account(name, cluster.namespace, **_WAIT)
        except ApiException as error:
            if error.status == _FORBIDDEN:
                return skipped("not checked: you may not read service accounts")
            if error.status == _NOT_FOUND:
                return failed(
                    f"{what} does not exist in namespace {cluster.namespace}",
                    f"kubectl apply --namespace {cluster.namespace} -k manifests/base/account "
                    "(or set another with --service-account)",
                )
            raise
    return passed(f"{what} exists", account)


def check_run_rights(cluster: Cluster, name: str) -> Outcome:
    """Check the rights of the runs' service account (SubjectAccessReview)."""
    missing = missing_rights(cluster, name, RUN_RIGHTS)
    if missing is None:
        return skipped("not checked: you may not review the access of others")
    if missing:
        return failed(
            f"service account {name} may not {', '.join(missing)}",
            f"kubectl apply --namespace {cluster.namespace} -k manifests/base/rights, with the account in its binding",
        )
    return passed(f"service account {name} has the rights of a run")


def missing_rights(cluster: Cluster, name: str, rights: Iterable[tuple[str, str, str, str]]) -> list[str] | None:
    """Return the rights that a service account does not have, in words; None if the caller may not know.

    Args:
        cluster: The cluster.
        name: The service account.
        rights: API group, resource, verb, name.
    """
    user = f"system:serviceaccount:{cluster.namespace}:{name}"
    missing = []
    for right in rights:
        allowed = _may(cluster, right, user)
        if allowed is None:
            return None
        if not allowed:
            missing.append(_words(right))
    return missing


def check_user_rights(cluster: Cluster) -> Outcome:
    """Check your own rights in the namespace (SelfSubjectAccessReview)."""
    missing = [_words(right) for right in USER_RIGHTS if not _may(cluster, right, "")]
    if missing:
        return warning(
            f"you may not {', '.join(missing)} in namespace {cluster.namespace}: kfp-azureml azcreds needs the rights "
            "on secrets, and submit those on pods, to show the error of a failed step",
            f"kubectl create rolebinding kfp-azureml --namespace {cluster.namespace} --clusterrole edit --user USER",
        )
    return passed(f"you may write secrets and read pods in namespace {cluster.namespace}")


def _may(cluster: Cluster, right: tuple[str, str, str, str], user: str) -> bool | None:
    """Tell whether a user has a right, empty for the caller; None if the caller may not know."""
    from kubernetes import client

    group, resource, verb, name = right
    kind, _, subresource = resource.partition("/")
    attributes = client.V1ResourceAttributes(
        namespace=cluster.namespace,
        group=group,
        resource=kind,
        subresource=subresource or None,
        verb=verb,
        name=name or None,
    )
    api = client.AuthorizationV1Api(cluster.core.api_client)
    with cluster_errors(cluster, "create", "subjectaccessreviews"):
        try:
            if user:
                spec = client.V1SubjectAccessReviewSpec(resource_attributes=attributes, user=user)
                review = api.create_subject_access_review(client.V1SubjectAccessReview(spec=spec), **_WAIT)
            else:
                own = client.V1SelfSubjectAccessReviewSpec(resource_attributes=attributes)
                review = api.create_self_subject_access_review(client.V1SelfSubjectAccessReview(spec=own), **_WAIT)
        except client.ApiException as error:
            if error.status == _FORBIDDEN:
                return None
            raise
    return bool(review.status.allowed)


def _words(right: tuple[str, str, str, str]) -> str:
    _, resource, verb, name = right
    return f"{verb} {resource}{f' {name}' if name else ''}"
