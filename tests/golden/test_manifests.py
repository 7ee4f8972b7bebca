"""The manifests render, match Kubernetes' schemas, and allow what a run needs and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
from itertools import product
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from kubernetes_validate.utils import all_versions, major_minor

from kfp_azureml import azcreds, images
from kfp_azureml.compiling.pods import WORKLOAD_IDENTITY_LABEL
from kfp_azureml.compiling.sources import shipped_pipelines
from kfp_azureml.doctor.kubeflow.train_workers import RIGHTS
from kfp_azureml.steps.aml_reconcile.command import reconcile_command
from kubernetes_policies import Peer, lets_nothing_in, lets_out, pod_specs, restricted_violations

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "manifests"
OVERLAYS = sorted(path.name for path in (MANIFESTS / "overlays").iterdir())
ADDITIONS = ("identity-endpoint", "reconcile", "retries", "train-workers")
NEWEST_VERSIONS = list(dict.fromkeys(major_minor(version) for version in all_versions()))[-3:]
CLIENT_ID = "11111111-2222-3333-4444-555555555555"
NOBODY = "00000000-0000-0000-0000-000000000000"

RUN_POD = {"pipelines.kubeflow.org/v2_component": "true"}
"""Label of every pod of a run (backend/src/v2/compiler/argocompiler/argo.go)."""

needs_renderer = pytest.mark.skipif(
    not (shutil.which("kustomize") or shutil.which("kubectl")), reason="needs kubectl or kustomize"
)

Objects = list[dict[str, Any]]


def render(folder: Path, *overlays: str, client_id: str = "") -> subprocess.CompletedProcess[str]:
    """Run manifests/render in a copy, so that nothing is written into the checkout."""
    command = [str(folder / "manifests/render"), str(folder / "rendered"), *overlays]
    environ = {**os.environ, "CLIENT_ID": client_id}
    return subprocess.run(command, capture_output=True, text=True, env=environ, timeout=300, check=False)


def copy_of_the_manifests(folder: Path, credentials: str | None = None) -> Path:
    shutil.copytree(MANIFESTS, folder / "manifests", ignore=shutil.ignore_patterns("azcreds.env"))
    if credentials is not None:
        (folder / "manifests/overlays/aks-azcreds/azcreds.env").write_text(credentials)
    return folder


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Objects]:
    """Return the objects of every overlay and of every addition to one."""
    if not (shutil.which("kustomize") or shutil.which("kubectl")):
        pytest.skip("needs kubectl or kustomize")
    credentials = "".join(f"{key}=value-of-{key}\n" for key in azcreds.KEYS)
    folder = copy_of_the_manifests(tmp_path_factory.mktemp("manifests"), credentials)
    # Rendered by the same program as an overlay.
    for name in ADDITIONS:
        shutil.copytree(folder / "manifests" / name, folder / "manifests/overlays" / name)
    done = render(folder, client_id=CLIENT_ID)
    assert (done.returncode, done.stderr) == (0, "")
    return {path.stem: list(yaml.safe_load_all(path.read_text())) for path in (folder / "rendered").glob("*.yaml")}


def of_kind(objects: Objects, kind: str) -> Objects:
    return [item for item in objects if item["kind"] == kind]


def namespaces(objects: Objects) -> set[str]:
    return {item["metadata"]["namespace"] for item in objects}


def test_every_overlay_renders(rendered: dict[str, Objects]) -> None:
    assert set(rendered) == {*OVERLAYS, *ADDITIONS}
    expected = {"NetworkPolicy", "ResourceQuota", "ServiceAccount"}
    for name in OVERLAYS:
        assert expected <= {item["kind"] for item in rendered[name]}, name
        assert all(item["metadata"].get("namespace") for item in rendered[name]), name


@needs_renderer
@pytest.mark.parametrize("name", OVERLAYS)
def test_kustomize_warns_of_bases_and_of_nothing_else(tmp_path: Path, name: str) -> None:
    folder = copy_of_the_manifests(tmp_path, "")
    renderer = ["kustomize", "build"] if shutil.which("kustomize") else ["kubectl", "kustomize"]
    command = [*renderer, str(folder / "manifests/overlays" / name)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    assert [line for line in done.stderr.splitlines() if not line.startswith("# Warning: 'bases' is deprecated")] == []


@pytest.mark.parametrize("version", NEWEST_VERSIONS)
def test_kubernetes_takes_every_object(rendered: dict[str, Objects], version: str) -> None:
    for objects in rendered.values():
        for item in objects:
            if item["kind"] == "ClusterTrainingRuntime":  # tests/unit/engines/test_train_job.py
                continue
            assert kubernetes_validate.validate(item, version, strict=True) == version


def test_three_versions_are_checked_and_a_wrong_object_is_refused() -> None:
    assert len(NEWEST_VERSIONS) == 3
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a"}, "anotations": {}}
    with pytest.raises(kubernetes_validate.ValidationError, match="anotations"):
        kubernetes_validate.validate(account, NEWEST_VERSIONS[-1], strict=True)


@pytest.mark.parametrize("name", OVERLAYS)
def test_names_agree_with_each_other(rendered: dict[str, Objects], name: str) -> None:
    objects = rendered[name]
    identities = [(item["kind"], item["metadata"]["namespace"], item["metadata"]["name"]) for item in objects]
    assert len(set(identities)) == len(identities)
    for binding in of_kind(objects, "RoleBinding"):
        namespace = binding["metadata"]["namespace"]
        assert ("Role", namespace, binding["roleRef"]["name"]) in identities
        for subject in binding["subjects"]:
            assert (subject["kind"], subject["namespace"], subject["name"]) in identities
            assert subject["namespace"] == namespace
    for role in of_kind(objects, "Role"):
        assert any(
            binding["roleRef"]["name"] == role["metadata"]["name"] for binding in of_kind(objects, "RoleBinding")
        )
    for policy in of_kind(objects, "NetworkPolicy"):
        assert policy["spec"]["podSelector"] == {"matchLabels": RUN_POD}


def test_the_role_allows_what_a_step_needs_and_no_more(rendered: dict[str, Objects]) -> None:
    for name in ("local", "aks-azcreds", "aks-workload-identity"):
        (role,) = of_kind(rendered[name], "Role")
        allowed = set()
        for rule in role["rules"]:
            parts = (rule["apiGroups"], rule["resources"], rule["verbs"], rule.get("resourceNames", [None]))
            allowed |= set(product(*parts))
        assert allowed == {
            ("argoproj.io", "workflowtaskresults", "create", None),
            ("argoproj.io", "workflowtaskresults", "patch", None),
            ("", "configmaps", "get", "kfp-launcher"),
            ("", "secrets", "get", "mlpipeline-minio-artifact"),
        }


def test_the_addition_for_train_workers_gives_the_rights_of_train_distributed(rendered: dict[str, Objects]) -> None:
    objects = rendered["train-workers"]
    (role,) = of_kind(objects, "Role")
    allowed = {(resource, verb) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]}
    assert allowed == {(resource, verb) for _, resource, verb, _ in RIGHTS}
    for binding in (*of_kind(objects, "RoleBinding"), *of_kind(objects, "ClusterRoleBinding")):
        assert {subject["name"] for subject in binding["subjects"]} == {"kfp-azureml-runner", "pipeline-runner"}
        assert {subject["namespace"] for subject in binding["subjects"]} == {"kubeflow"}
    # kustomize gives a namespace to kinds that it does not know.
    (runtime,) = of_kind(objects, "ClusterTrainingRuntime")
    assert "namespace" not in runtime["metadata"]
    # TensorFlow's servers do not check who connects: only workers reach workers.
    (policy,) = of_kind(objects, "NetworkPolicy")
    (job,) = runtime["spec"]["template"]["spec"]["replicatedJobs"]
    labels = job["template"]["spec"]["template"]["metadata"]["labels"]
    workers = policy["spec"]["podSelector"]
    assert workers["matchLabels"].items() <= labels.items()
    assert policy["spec"]["ingress"] == [{"from": [{"podSelector": workers}]}]
    assert policy["spec"]["policyTypes"] == ["Ingress"]


def kubeflow(**labels: str) -> Peer:
    return Peer("10.244.3.4", "kubeflow", labels)


DNS = Peer("10.244.1.2", "kube-system", {"k8s-app": "kube-dns"})
AZURE = Peer("20.42.0.1")
PRIVATE_ENDPOINT = Peer("10.1.0.5")
METADATA_ADDRESS = Peer("169.254.169.254")

ALLOWED = [
    (DNS, 53, "UDP"),
    (DNS, 53, "TCP"),
    (Peer("169.254.10.11"), 53, "UDP"),
    (Peer("169.254.20.10"), 53, "UDP"),
    (kubeflow(app="ml-pipeline"), 8887, "TCP"),
    (kubeflow(component="metadata-grpc-server"), 8080, "TCP"),
    (kubeflow(app="seaweedfs"), 8333, "TCP"),
    (kubeflow(app="minio"), 9000, "TCP"),
    (AZURE, 443, "TCP"),
    (PRIVATE_ENDPOINT, 443, "TCP"),
]
DENIED = [
    (AZURE, 80, "TCP"),
    (AZURE, 22, "TCP"),
    (AZURE, 53, "UDP"),
    (AZURE, 443, "UDP"),
    (DNS, 443, "TCP"),
    (Peer("10.244.1.9", "kube-system", {"app": "other"}), 53, "UDP"),
    (kubeflow(app="ml-pipeline"), 8888, "TCP"),
    (kubeflow(app="mysql"), 3306, "TCP"),
    (kubeflow(app="seaweedfs"), 8111, "TCP"),
    (kubeflow(app="seaweedfs"), 8887, "TCP"),
    (kubeflow(app="cache-server"), 443, "TCP"),
    (Peer("10.244.5.6", "default", {"app": "ml-pipeline"}), 8887, "TCP"),
    (Peer("10.244.5.6", "team-b", RUN_POD), 443, "TCP"),
    (METADATA_ADDRESS, 80, "TCP"),
    (METADATA_ADDRESS, 443, "TCP"),
]


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_pods_of_a_run_reach_what_they_need_and_nothing_else(rendered: dict[str, Objects], name: str) -> None:
    for namespace in namespaces(rendered[name]):
        policies = [
            policy
            for policy in of_kind(rendered[name], "NetworkPolicy")
            if policy["metadata"]["namespace"] == namespace
        ]
        for peer, port, protocol in ALLOWED:
            assert lets_out(policies, RUN_POD, peer, port, protocol), (peer, port, protocol)
        for peer, port, protocol in DENIED:
            assert not lets_out(policies, RUN_POD, peer, port, protocol), (peer, port, protocol)
        assert lets_nothing_in(policies, RUN_POD)
        # Kubeflow's own pods in the same namespace are not restricted.
        assert lets_out(policies, {"app": "ml-pipeline"}, kubeflow(app="mysql"), 3306)
        assert not lets_nothing_in(policies, {"app": "ml-pipeline"})


def test_only_the_identity_endpoint_opens_the_metadata_address_and_only_its_port_80(
    rendered: dict[str, Objects],
) -> None:
    policies = of_kind(rendered["aks-azcreds"] + rendered["identity-endpoint"], "NetworkPolicy")
    assert lets_out(policies, RUN_POD, METADATA_ADDRESS, 80)
    denied = [entry for entry in DENIED if entry != (METADATA_ADDRESS, 80, "TCP")]
    assert not any(lets_out(policies, RUN_POD, *entry) for entry in [*denied, (Peer("169.254.169.253"), 80, "TCP")])
    assert lets_nothing_in(policies, RUN_POD)


def test_the_kubernetes_api_of_a_local_cluster_is_reached_only_there(rendered: dict[str, Objects]) -> None:
    api = Peer("172.18.0.2")
    for port in (6443, 8443, 16443):
        allowing = {name for name in OVERLAYS if lets_out(of_kind(rendered[name], "NetworkPolicy"), RUN_POD, api, port)}
        assert allowing == {"local"}


def test_the_secret_is_the_one_that_the_pipeline_asks_for(rendered: dict[str, Objects]) -> None:
    (secret,) = of_kind(rendered["aks-azcreds"], "Secret")
    assert secret["metadata"] == {"name": azcreds.SECRET_NAME, "namespace": "kubeflow"}
    assert set(secret["data"]) == set(azcreds.KEYS)
    assert not any(of_kind(rendered[name], "Secret") for name in OVERLAYS if name != "aks-azcreds")
    example = (MANIFESTS / "overlays/aks-azcreds/azcreds.env.example").read_text()
    assert example == "".join(f"{key}=\n" for key in azcreds.KEYS)


@needs_renderer
@pytest.mark.parametrize(
    ("credentials", "message"),
    [
        (None, "azcreds.env: missing; copy azcreds.env.example"),
        ("AZ_SUBSCRIPTION_ID=s\n", "AZ_TENANT_ID is empty"),
        ('AZ_SUBSCRIPTION_ID="s"\n', "AZ_SUBSCRIPTION_ID has quotes or white space"),
        ("AZ_SUBSCRIPTION_ID='s'\n", "AZ_SUBSCRIPTION_ID has quotes or white space"),
        ("AZ_SUBSCRIPTION_ID=s \n", "AZ_SUBSCRIPTION_ID has quotes or white space"),
    ],
)
def test_azcreds_is_not_rendered_without_its_values(tmp_path: Path, credentials: str | None, message: str) -> None:
    done = render(copy_of_the_manifests(tmp_path, credentials), "aks-azcreds")
    assert done.returncode != 0
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list((tmp_path / "rendered").iterdir())


@needs_renderer
def test_without_credentials_the_other_overlays_are_rendered_and_nothing_secret_is_readable(tmp_path: Path) -> None:
    done = render(copy_of_the_manifests(tmp_path))
    assert done.returncode == 0
    assert "aks-azcreds: skipped" in done.stdout
    assert {path.stem for path in (tmp_path / "rendered").iterdir()} == set(OVERLAYS) - {"aks-azcreds"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "rendered").iterdir())


def test_the_file_with_the_credentials_is_ignored_by_git() -> None:
    path = "manifests/overlays/aks-azcreds/azcreds.env"
    assert subprocess.run(["git", "check-ignore", "--quiet", path], cwd=ROOT, check=False).returncode == 0


def test_workload_identity_is_that_of_the_accounts_that_runs_have(rendered: dict[str, Objects]) -> None:
    key = f"{WORKLOAD_IDENTITY_LABEL.partition('/')[0]}/client-id"
    for name, subjects in {
        "aks-workload-identity": {("kubeflow", "kfp-azureml-runner")},
        "aks-workload-identity-profiles": {("team-a", "default-editor"), ("team-b", "default-editor")},
    }.items():
        accounts = of_kind(rendered[name], "ServiceAccount")
        assert {(item["metadata"]["namespace"], item["metadata"]["name"]) for item in accounts} == subjects
        assert all(item["metadata"]["annotations"] == {key: CLIENT_ID} for item in accounts)
        assert NOBODY not in str(rendered[name])
        # The command in the overlay's comment has one of them.
        comment = (MANIFESTS / "overlays" / name / "kustomization.yaml").read_text()
        assert any(f"system:serviceaccount:{namespace}:{account} " in comment for namespace, account in subjects)


@needs_renderer
def test_a_client_id_that_is_missing_or_none_is_said(tmp_path: Path) -> None:
    folder = copy_of_the_manifests(tmp_path)
    assert "CLIENT_ID is missing" in render(folder, "aks-workload-identity").stdout
    assert NOBODY in (folder / "rendered/aks-workload-identity.yaml").read_text()
    assert "CLIENT_ID: not a client id: a/b" in render(folder, "local", client_id="a/b").stderr


def test_every_pod_we_write_meets_the_restricted_standard(rendered: dict[str, Objects]) -> None:
    ours = list(pod_specs(list(rendered.values())))
    assert [restricted_violations(spec) for spec in ours] == [[], []]  # the CronJob's, the workers'


def test_the_cron_job_runs_the_step_with_the_secret_and_reaches_azure_only(rendered: dict[str, Objects]) -> None:
    (job,) = of_kind(rendered["reconcile"], "CronJob")
    template = job["spec"]["jobTemplate"]["spec"]["template"]
    (container,) = template["spec"]["containers"]
    assert container["command"] == ["kfp-azureml", "reconcile"]
    options = [argument.replace("$(", "").replace(")", "") for argument in container["args"]]
    reconcile_command.make_context("reconcile", options)
    sources = [source for source in container["envFrom"] if "secretRef" in source]
    assert sources == [{"secretRef": {"name": azcreds.SECRET_NAME, "optional": True}}]
    assert template["spec"]["securityContext"]["runAsUser"] == images.RUN_AS_USER
    policies = of_kind(rendered["reconcile"], "NetworkPolicy")
    labels = template["metadata"]["labels"]
    assert lets_nothing_in(policies, labels)
    assert all(lets_out(policies, labels, *entry) for entry in [(DNS, 53, "UDP"), (AZURE, 443, "TCP")])
    closed = [(METADATA_ADDRESS, 80, "TCP"), (AZURE, 80, "TCP"), (kubeflow(app="ml-pipeline"), 8887, "TCP")]
    assert not any(lets_out(policies, labels, *entry) for entry in closed)


STOCK_DEFAULTS = {"limit": "2", "retryPolicy": "OnError"}
"""The retryStrategy in templateDefaults of a stock Kubeflow Pipelines 2.17.0."""


def strategy(defaults: dict[str, str], template: dict[str, str]) -> dict[str, str]:
    """Return a template's retries after Argo has merged the controller's defaults."""
    return {**defaults, **template}


def test_the_addition_for_retries_leaves_everything_but_the_retries_as_it_is(rendered: dict[str, Objects]) -> None:
    (config,) = rendered["retries"]
    assert (config["kind"], config["metadata"]["namespace"]) == ("ConfigMap", "kubeflow")
    assert config["metadata"]["name"] == "workflow-controller-configmap"
    # With server-side apply other entries stay; this one is replaced as a whole.
    assert config["data"].keys() == {"workflowDefaults"}
    spec = yaml.safe_load(config["data"]["workflowDefaults"])["spec"]
    assert spec.keys() == {"ttlStrategy", "templateDefaults"}
    assert set(spec["ttlStrategy"].values()) == {3600}
    assert len(spec["ttlStrategy"]) == 3


def test_with_the_addition_a_failed_step_is_retried_as_its_pipeline_says_and_no_dag_is(
    rendered: dict[str, Objects],
) -> None:
    (config,) = rendered["retries"]
    defaults = yaml.safe_load(config["data"]["workflowDefaults"])["spec"]["templateDefaults"]["retryStrategy"]
    # Recorded: Kubeflow's compiler writes no policy for set_retry, and nothing for a DAG or a step without retries.
    with_retries = {"limit": "{{inputs.parameters.retry-max-count}}"}
    assert strategy(STOCK_DEFAULTS, with_retries)["retryPolicy"] == "OnError"
    assert strategy(defaults, with_retries) == {**with_retries, "retryPolicy": "Always"}
    assert strategy(defaults, {})["limit"] == "0"


def test_the_addition_for_retries_is_in_no_overlay(rendered: dict[str, Objects]) -> None:
    for name in OVERLAYS:
        assert "workflow-controller-configmap" not in str(rendered[name])


GOOD_POD: dict[str, Any] = {
    "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
    "volumes": [{"name": "tmp", "emptyDir": {}}],
    "containers": [
        {"name": "step", "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}}
    ],
}


def test_a_good_pod_is_found_wherever_it_stands_and_accepted() -> None:
    cron_job = {"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": {"spec": GOOD_POD}}}}}
    assert list(pod_specs([cron_job])) == [GOOD_POD]
    assert restricted_violations(GOOD_POD) == []


@pytest.mark.parametrize(
    ("pod", "container", "violation"),
    [
        ({"hostNetwork": True}, {}, "hostNetwork"),
        ({"volumes": [{"name": "host", "hostPath": {"path": "/"}}]}, {}, "volume hostPath"),
        ({"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}, {}, "step: runAsNonRoot"),
        ({"securityContext": {"runAsNonRoot": True}}, {}, "step: seccompProfile"),
        ({}, {"runAsNonRoot": False}, "step: runAsNonRoot"),
        ({}, {"runAsUser": 0}, "step: runAsUser 0"),
        ({}, {"allowPrivilegeEscalation": True}, "step: allowPrivilegeEscalation"),
        ({}, {"privileged": True}, "step: privileged"),
        ({}, {"capabilities": {}}, "step: capabilities"),
        ({}, {"capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN"]}}, "step: capabilities"),
        ({}, {"seccompProfile": {"type": "Unconfined"}}, "step: seccompProfile"),
    ],
)
def test_a_bad_pod_is_refused(pod: dict[str, Any], container: dict[str, Any], violation: str) -> None:
    (step,) = GOOD_POD["containers"]
    bad = {**step, "securityContext": {**step["securityContext"], **container}}
    assert restricted_violations({**GOOD_POD, **pod, "containers": [bad]}) == [violation]
    assert violation in restricted_violations({**GOOD_POD, **pod, "initContainers": [bad]})


def test_the_compiled_pipeline_asks_for_what_kfp_can_say_of_the_standard() -> None:
    pipeline, platform = yaml.safe_load_all((shipped_pipelines() / "image_classification.yaml").read_text())
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert set(executors) == set(pipeline["deploymentSpec"]["executors"])
    for config in executors.values():
        assert config["securityContext"] == {
            "runAsUser": str(images.RUN_AS_USER),
            "runAsGroup": str(images.RUN_AS_USER),
            "runAsNonRoot": True,
        }
    assert images.RUN_AS_USER > 0
