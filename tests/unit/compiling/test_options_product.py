"""The shipped pipeline, compiled with each pair of options: valid each time, and each option has its effect."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
import yaml
from google.protobuf.json_format import MessageToDict
from kfp.dsl import PipelineTask

from kfp_azureml import images
from kfp_azureml.azcreds import KEYS
from kfp_azureml.compiling.compile import compile_pipeline
from kfp_azureml.compiling.gpu import Gpu, Taint
from kfp_azureml.compiling.options import PipelineOptions
from kfp_azureml.compiling.sources import find_pipeline, load_builder
from kfp_azureml.compiling.validation import validate_documents

SOURCE = find_pipeline("image_classification")
ML_STEPS = {"prep", "train", "score", "quality-gate"}
AZURE_STEPS = {"aml-preflight", "aml-live-model", "aml-register-model", "aml-deploy-model", "aml-reconcile"}
STEPS = ML_STEPS | AZURE_STEPS
WITH_IDENTITY = AZURE_STEPS | {"prep", "train"}
DIGESTS = {"ml_digest": f"sha256:{'a' * 64}", "azure_digest": f"sha256:{'b' * 64}"}
GPU_DIGEST = f"sha256:{'c' * 64}"
GPUS = {
    "no_gpu": None,
    "gpu": Gpu(),
    "chosen_gpu": Gpu(
        2, "amd.com/gpu", {"agentpool": "gpu"}, (Taint.parse("x:NoExecute"), Taint.parse("y=:NoSchedule"))
    ),
}
SET = (
    {"registry": "example.azurecr.io/team"},
    {"tag": "9.9"},
    {"ml_digest": DIGESTS["ml_digest"]},
    {"azure_digest": DIGESTS["azure_digest"]},
    {"pull_secret": "acr-pull"},
    {"workload_identity": True},
    {"retries": 0},
    {"timeouts": {"train": 77, "aml_deploy_model": 88}},
    {"ttl_seconds": 600},
)


def combinations(gpu: Gpu | None) -> Iterator[PipelineOptions]:
    """Up to two options set, up to two not: any two are together in every way, with the others set and not set."""
    for chosen in product((False, True), repeat=len(SET)):
        if 2 < sum(chosen) < len(SET) - 2:
            continue
        given = {name: value for one, use in zip(SET, chosen, strict=True) if use for name, value in one.items()}
        gpu_digest = GPU_DIGEST if gpu and "ml_digest" in given else ""
        yield PipelineOptions(gpu=gpu, ml_gpu_digest=gpu_digest, **given)


class Compiled:
    """A compiled pipeline's two documents, step by step."""

    def __init__(self, pipeline: dict, platform: dict) -> None:
        self.pipeline, self.platform = pipeline, platform
        kubernetes = platform["platforms"]["kubernetes"]
        self.config = kubernetes.get("pipelineConfig", {})
        self.pods = {
            label.removeprefix("exec-"): pod for label, pod in kubernetes["deploymentSpec"]["executors"].items()
        }
        executors = pipeline["deploymentSpec"]["executors"]
        self.containers = {label.removeprefix("exec-"): one["container"] for label, one in executors.items()}
        self.tasks = {}
        for component in (pipeline["root"], *pipeline["components"].values()):
            self.tasks |= component.get("dag", {}).get("tasks", {})
        self.tasks = {name: task for name, task in self.tasks.items() if name in STEPS}


def check_images(compiled: Compiled, options: PipelineOptions) -> None:
    used = {step: container["image"] for step, container in compiled.containers.items()}
    ml = f"@{options.ml_digest}" if options.ml_digest else f":{options.tag}"
    azure = f"@{options.azure_digest}" if options.azure_digest else f":{options.tag}"
    gpu = f"@{options.ml_gpu_digest}" if options.ml_gpu_digest else f":{options.tag}"
    expected = dict.fromkeys(ML_STEPS, f"{options.registry}/ml{ml}")
    expected |= dict.fromkeys(AZURE_STEPS, f"{options.registry}/azure{azure}")
    assert used == expected | ({"train": f"{options.registry}/ml-gpu{gpu}"} if options.gpu else {})


def check_user(compiled: Compiled, _options: PipelineOptions) -> None:
    user = str(images.RUN_AS_USER)
    for pod in compiled.pods.values():
        assert pod["securityContext"] == {"runAsUser": user, "runAsGroup": user, "runAsNonRoot": True}


def check_pull_secret(compiled: Compiled, options: PipelineOptions) -> None:
    for pod in compiled.pods.values():
        named = [secret["secretName"] for secret in pod.get("imagePullSecret", [])]
        assert named == ([options.pull_secret] if options.pull_secret else [])


def check_gpu(compiled: Compiled, options: PipelineOptions) -> None:
    gpu = options.gpu
    parameters = compiled.pipeline["root"]["inputDefinitions"]["parameters"]
    assert parameters["train_memory"]["defaultValue"] == ("8Gi" if gpu else "2Gi")
    for step in STEPS:
        accelerator = compiled.containers[step]["resources"].get("accelerator", {})
        pod = compiled.pods[step]
        if step != "train" or not gpu:
            assert not accelerator
            assert not {"nodeSelector", "tolerations"} & pod.keys()
            continue
        assert (accelerator.get("resourceType"), accelerator.get("resourceCount")) == (gpu.type, str(gpu.count))
        assert pod.get("nodeSelector", {}).get("labels", {}) == gpu.node_selector
        tolerated = [(one["key"], one["effect"], one.get("value", ""), one["operator"]) for one in pod["tolerations"]]
        assert tolerated == [
            (taint.key, taint.effect, taint.value or "", "Exists" if taint.value is None else "Equal")
            for taint in gpu.taints
        ]


def check_identity(compiled: Compiled, options: PipelineOptions) -> None:
    for step, pod in compiled.pods.items():
        labels = pod.get("podMetadata", {}).get("labels", {})
        keys = {entry["envVar"] for secret in pod.get("secretAsEnv", []) for entry in secret["keyToEnv"]}
        with_secret = step in WITH_IDENTITY and not options.workload_identity
        with_label = step in WITH_IDENTITY and options.workload_identity
        assert keys == (set(KEYS) if with_secret else set())
        assert all(secret["optional"] for secret in pod.get("secretAsEnv", []))
        assert labels == ({"azure.workload.identity/use": "true"} if with_label else {})


def check_retries(compiled: Compiled, options: PipelineOptions) -> None:
    retried = {name: task["retryPolicy"] for name, task in compiled.tasks.items() if "retryPolicy" in task}
    retries = 1 if options.retries is None else options.retries
    assert retried.keys() == (STEPS - {"aml-preflight"} if retries else set())
    for step, policy in retried.items():
        timeout = int(compiled.pods[step]["activeDeadlineSeconds"])
        assert (policy["maxRetryCount"], policy["backoffDuration"]) == (retries, "30s")
        # Argo ends the last attempt by it.
        assert int(policy["backoffMaxDuration"].removesuffix("s")) > (retries + 1) * timeout


def check_timeouts(compiled: Compiled, options: PipelineOptions) -> None:
    seconds = {step: int(pod["activeDeadlineSeconds"]) for step, pod in compiled.pods.items()}
    assert seconds["train"] == options.timeouts.get("train", 86400)
    assert seconds["aml-deploy-model"] == options.timeouts.get("aml_deploy_model", 7200)
    assert (seconds["prep"], seconds["aml-preflight"]) == (7200, 900)


def check_ttl(compiled: Compiled, options: PipelineOptions) -> None:
    # Each outcome has a default of its own in a stock installation, which goes before that of completion.
    for outcome in ("Completion", "Success", "Failure"):
        assert compiled.config.get(f"resourceTtlOn{outcome}") == options.ttl_seconds


def check_limits(compiled: Compiled, _options: PipelineOptions) -> None:
    prefix = {"quality-gate": "gate"} | dict.fromkeys(AZURE_STEPS, "azure")
    parameters = compiled.pipeline["root"]["inputDefinitions"]["parameters"]
    for step, container in compiled.containers.items():
        for kind, setting in (("cpu", "resourceCpuLimit"), ("memory", "resourceMemoryLimit")):
            name = f"{prefix.get(step, step)}_{kind}"
            assert container["resources"][setting] == f"{{{{$.inputs.parameters['pipelinechannel--{name}']}}}}"
            assert parameters[name]["defaultValue"]


def check_no_environment(compiled: Compiled, _options: PipelineOptions) -> None:
    assert not any("env" in container for container in compiled.containers.values())


CHECKS = (
    check_images,
    check_user,
    check_pull_secret,
    check_gpu,
    check_identity,
    check_retries,
    check_timeouts,
    check_ttl,
    check_limits,
    check_no_environment,
)


@pytest.mark.parametrize("gpu", GPUS.values(), ids=GPUS)
def test_every_pair_is_valid_and_each_option_has_its_effect(gpu: Gpu | None, monkeypatch: pytest.MonkeyPatch) -> None:
    # It looks at the whole call stack, for the name in a message: four fifths of the time of a compilation.
    monkeypatch.setattr(PipelineTask, "_ensure_container_spec_exists", lambda _task: None)
    build_pipeline = load_builder(SOURCE)
    for options in combinations(gpu):
        built = build_pipeline(options)
        compiled = Compiled(MessageToDict(built.pipeline_spec), MessageToDict(built.platform_spec))
        validate_documents(SOURCE, compiled.pipeline, compiled.platform)
        assert compiled.pods.keys() == compiled.containers.keys() == compiled.tasks.keys() == STEPS
        for check in CHECKS:
            check(compiled, options)


@pytest.mark.parametrize("gpu", GPUS.values(), ids=GPUS)
def test_the_file_says_what_was_compiled(tmp_path: Path, gpu: Gpu | None) -> None:
    options = list(combinations(gpu))[-1]
    compile_pipeline(SOURCE, tmp_path / "all.yaml", options)
    documents = list(yaml.safe_load_all((tmp_path / "all.yaml").read_text()))
    built = load_builder(SOURCE)(options)
    assert documents == [MessageToDict(built.pipeline_spec), MessageToDict(built.platform_spec)]


def undo_image(compiled: Compiled) -> None:
    compiled.containers["score"]["image"] = "kfp-azureml/ml:other"


def undo_user(compiled: Compiled) -> None:
    del compiled.pods["train"]["securityContext"]["runAsNonRoot"]


def undo_pull_secret(compiled: Compiled) -> None:
    del compiled.pods["quality-gate"]["imagePullSecret"]


def undo_accelerator(compiled: Compiled) -> None:
    accelerator = compiled.containers["train"]["resources"].pop("accelerator")
    compiled.containers["score"]["resources"]["accelerator"] = accelerator


def undo_toleration(compiled: Compiled) -> None:
    compiled.pods["train"]["tolerations"].pop()


def undo_label(compiled: Compiled) -> None:
    del compiled.pods["aml-deploy-model"]["podMetadata"]


def undo_retry(compiled: Compiled) -> None:
    compiled.tasks["aml-preflight"]["retryPolicy"] = compiled.tasks["train"]["retryPolicy"]


def undo_timeout(compiled: Compiled) -> None:
    compiled.pods["train"]["activeDeadlineSeconds"] = "86400"


def undo_ttl(compiled: Compiled) -> None:
    del compiled.config["resourceTtlOnFailure"]


def undo_limit(compiled: Compiled) -> None:
    compiled.containers["aml-deploy-model"]["resources"]["resourceCpuLimit"] = "1"


def undo_environment(compiled: Compiled) -> None:
    compiled.containers["train"]["env"] = [{"name": "A", "value": "b"}]


@pytest.mark.parametrize(
    ("check", "undo"),
    [
        (check_images, undo_image),
        (check_user, undo_user),
        (check_pull_secret, undo_pull_secret),
        (check_gpu, undo_accelerator),
        (check_gpu, undo_toleration),
        (check_identity, undo_label),
        (check_retries, undo_retry),
        (check_timeouts, undo_timeout),
        (check_ttl, undo_ttl),
        (check_limits, undo_limit),
        (check_no_environment, undo_environment),
    ],
)
def test_each_check_can_fail(check, undo) -> None:
    options = replace(list(combinations(Gpu()))[-1], retries=2)
    built = load_builder(SOURCE)(options)
    compiled = Compiled(MessageToDict(built.pipeline_spec), MessageToDict(built.platform_spec))
    check(compiled, options)
    undo(compiled)
    with pytest.raises(AssertionError):
        check(compiled, options)
