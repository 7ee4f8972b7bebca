"""Content and settings of the built images."""

import json
import os
from importlib import metadata
from pathlib import Path

import docker
import pytest
import yaml
from docker.models.images import Image

from kfp_azureml import __version__
from kfp_azureml.compiling.sources import shipped_pipelines
from kfp_azureml.images import AZURE_IMAGE, ML_IMAGE, RUN_AS_USER
from pages import ROOT

MB = 1_000_000
MOST_BYTES = {ML_IMAGE: 2_000 * MB, AZURE_IMAGE: 420 * MB}
IMPORTS = {
    ML_IMAGE: "prep.prep train.train score.score quality_gate.quality_gate",
    AZURE_IMAGE: "aml_preflight.preflight aml_register_model.register aml_deploy_model.deploy "
    "aml_download_model.download aml_live_model.live_model",
}
STEPS = {
    ML_IMAGE: ("prep", "train", "score", "quality_gate"),
    AZURE_IMAGE: (
        "aml_preflight",
        "aml_register_model",
        "aml_deploy_model",
        "aml_download_model",
        "aml_live_model",
        "aml_reconcile",
    ),
}
HEAVY = {ML_IMAGE: "tensorflow onnxruntime pyarrow adlfs s3fs", AZURE_IMAGE: "azure.ai.ml azure.identity httpx"}
ABSENT = {ML_IMAGE: "azure.ai.ml", AZURE_IMAGE: "tensorflow"}


def run_in(engine: docker.DockerClient, image: Image, program: str) -> str:
    settings = {"read_only": True, "tmpfs": {"/tmp": ""}, "cap_drop": ["ALL"], "network_mode": "none", "remove": True}
    return engine.containers.run(image, ["python3", "-c", program], **settings).decode().strip()


def test_the_size_is_within_its_limit(image: Image) -> None:
    (name,) = image.tags
    assert image.attrs["Size"] <= MOST_BYTES[name]


def test_it_runs_as_a_numeric_user_and_has_the_labels(image: Image) -> None:
    config = image.attrs["Config"]
    assert config["User"].split(":")[0] == str(RUN_AS_USER)
    labels = config["Labels"]
    assert labels["org.opencontainers.image.version"] == __version__
    assert labels["org.opencontainers.image.source"]
    assert labels["org.opencontainers.image.revision"]


def test_it_has_the_steps_and_what_they_need_and_nothing_of_the_other_image(
    engine: docker.DockerClient, image: Image
) -> None:
    (name,) = image.tags
    modules = [f"kfp_azureml.steps.{module}" for module in IMPORTS[name].split()] + HEAVY[name].split()
    run_in(engine, image, f"import {', '.join(modules)}")
    with pytest.raises(docker.errors.ContainerError, match="ModuleNotFoundError"):
        run_in(engine, image, f"import {ABSENT[name]}")


def test_each_of_its_steps_runs_from_a_shell(engine: docker.DockerClient, image: Image) -> None:
    (name,) = image.tags
    for step in STEPS[name]:
        words = ["kfp-azureml", "step", step, "--help"]
        program = f"import subprocess; print(subprocess.check_output({words!r}, text=True))"
        assert f"Usage: kfp-azureml step {step}" in run_in(engine, image, program)


def test_it_has_the_kfp_that_the_compiled_pipeline_was_made_with(engine: docker.DockerClient, image: Image) -> None:
    inside = run_in(engine, image, "import importlib.metadata as m; print(m.version('kfp'))")
    with (shipped_pipelines() / "image_classification.yaml").open() as stream:
        pipeline = next(iter(yaml.safe_load_all(stream)))
    assert pipeline["sdkVersion"] == f"kfp-{inside}"
    assert inside == metadata.version("kfp")


def test_no_layer_and_no_setting_holds_a_secret(image: Image) -> None:
    config = image.attrs["Config"]
    words = ("SECRET", "TOKEN", "PASSWORD", "CREDENTIAL", "INDEX_URL")
    assert not [entry for entry in config["Env"] if any(word in entry.partition("=")[0].upper() for word in words)]
    # Must not be in the image: the build machine's secrets, and the build secret.
    private = [value for name, value in os.environ.items() if any(word in name.upper() for word in words)]
    if mounted := os.environ.get("CA_CERTIFICATES"):
        private.append(Path(mounted).read_text().splitlines()[-1])
    told = json.dumps([image.history(), config])
    layers = b"".join(image.save(chunk_size=1 << 24))
    for value in private:
        if len(value) >= 8:
            assert value not in told
            assert value.encode() not in layers


def test_an_image_with_a_network_of_ones_own_is_three_lines(engine: docker.DockerClient, tmp_path: Path) -> None:
    readme = (ROOT / "docker" / "README.md").read_text()
    dockerfile, module = (readme.split(f"```{language}\n")[1].split("```")[0] for language in ("dockerfile", "python"))
    (tmp_path / "Dockerfile").write_text(dockerfile.replace("0.1.0", __version__))
    (tmp_path / "my_networks.py").write_text(module)
    own, _ = engine.images.build(path=str(tmp_path), rm=True)
    program = (
        "from kfp_azureml.steps.train.tensorflow_import import import_tensorflow; import_tensorflow()\n"
        "from kfp_azureml.steps.train.own_network import own_architecture\n"
        "print(own_architecture('my_networks:build').build((32, 32, 3), 4).output_shape)"
    )
    assert run_in(engine, own, program) == "(None, 4)"
