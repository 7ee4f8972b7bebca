"""The checked-in generated files are up to date with their sources; see `make generate`."""

import shutil
from pathlib import Path

import pytest
import yaml

from kfp_azureml import __version__, azcreds
from kfp_azureml.azureml_pipelines.generate import generate as generate_azureml
from kfp_azureml.azureml_pipelines.spec import IN_JOB
from kfp_azureml.compiling.generate import generate
from kfp_azureml.compiling.sources import STEPS, shipped_pipelines
from kfp_azureml.compiling.validation import validate_compiled
from kfp_azureml.steps.names import component_names, component_path
from locks import locked

AZURE_STEPS = {"aml-preflight", "aml-live-model", "aml-register-model", "aml-deploy-model", "aml-reconcile"}


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generate everything into a temporary folder, from copies of the READMEs."""
    folder = tmp_path_factory.mktemp("generated")
    for name in component_names():
        copy = folder / "components" / component_path(name)
        copy.mkdir(parents=True)
        shutil.copy(STEPS / component_path(name) / "README.md", copy)
    generate(folder / "components", folder / "pipelines")
    generate_azureml(folder / "components")
    return folder


def documents(path: Path) -> list[dict]:
    return list(yaml.safe_load_all(path.read_text()))


def compiled(path: Path) -> list[dict]:
    """Return a compiled file without the line that differs between the allowed versions of kfp."""
    pipeline, *platform = documents(path)
    del pipeline["sdkVersion"]
    return [pipeline, *platform]


@pytest.mark.parametrize("name", component_names())
def test_component_yaml_is_up_to_date(generated: Path, name: str) -> None:
    path = component_path(name) / "component.yaml"
    assert compiled(STEPS / path) == compiled(generated / "components" / path)


@pytest.mark.parametrize("name", component_names())
def test_the_azure_ml_specification_is_up_to_date(generated: Path, name: str) -> None:
    folder, expected = STEPS / component_path(name), generated / "components" / component_path(name)
    (checked_in,), (written,) = (documents(path / "azureml.yaml") for path in (folder, expected))
    # Relative to the file.
    assert (folder / checked_in.pop("code")).resolve() == (expected / written.pop("code")).resolve() == IN_JOB
    assert checked_in == written
    assert (folder / "azureml.json").read_text() == (expected / "azureml.json").read_text()


@pytest.mark.parametrize("name", component_names())
def test_azure_ml_and_kfp_agree_on_a_component(name: str) -> None:
    (azureml,) = documents(STEPS / component_path(name) / "azureml.yaml")
    (kfp,) = documents(STEPS / component_path(name) / "component.yaml")
    (component,), (executor,) = kfp["components"].values(), kfp["deploymentSpec"]["executors"].values()
    assert azureml["name"] == kfp["pipelineInfo"]["name"].replace("-", "_") == name
    assert azureml["version"] == __version__
    assert azureml["environment"]["image"] == executor["container"]["image"]
    for side in ("inputs", "outputs"):
        definitions = component.get(f"{side.removesuffix('s')}Definitions", {})
        assert set(azureml[side]) == {each for kind in definitions.values() for each in kind}


@pytest.mark.parametrize("name", component_names())
def test_the_readmes_interface_is_up_to_date(generated: Path, name: str) -> None:
    checked_in = (STEPS / component_path(name) / "README.md").read_text()
    assert checked_in == (generated / "components" / component_path(name) / "README.md").read_text()


def test_the_compiled_pipeline_is_up_to_date(generated: Path) -> None:
    (checked_in,) = shipped_pipelines().glob("*.yaml")
    assert compiled(checked_in) == compiled(generated / "pipelines" / checked_in.name)


def test_the_checked_in_files_are_those_of_the_locked_kfp() -> None:
    for path in (*STEPS.rglob("component.yaml"), *shipped_pipelines().glob("*.yaml")):
        assert documents(path)[0]["sdkVersion"] == f"kfp-{locked('kfp')}", path


@pytest.mark.parametrize("name", component_names())
def test_each_component_yaml_loads_and_says_what_it_is(name: str) -> None:
    from kfp import components

    loaded = components.load_component_from_file(str(STEPS / component_path(name) / "component.yaml"))
    assert loaded.name == name.replace("_", "-")
    assert loaded.description
    assert set(loaded.component_spec.outputs)


def test_the_compiled_pipeline_is_valid_uses_azcreds_and_holds_no_secret() -> None:
    path = shipped_pipelines() / "image_classification.yaml"
    validate_compiled(path)
    pipeline, platform = documents(path)
    parameters = pipeline["root"]["inputDefinitions"]["parameters"]
    assert parameters["azure_secret"]["defaultValue"] == azcreds.SECRET_NAME
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    with_secret = {f"exec-{step}" for step in (*AZURE_STEPS, "prep", "train")}
    assert {label for label, config in executors.items() if "secretAsEnv" in config} == with_secret
    for label in with_secret:
        (secret,) = executors[label]["secretAsEnv"]
        assert {entry["envVar"] for entry in secret["keyToEnv"]} == set(azcreds.KEYS)
        assert secret["optional"] is True
    # The pipeline sets no environment variable: values come from the secret only.
    assert all("env" not in executor["container"] for executor in pipeline["deploymentSpec"]["executors"].values())


def test_steps_that_touch_azure_are_not_cached_and_the_others_are() -> None:
    pipeline, _ = documents(shipped_pipelines() / "image_classification.yaml")
    tasks = {}
    for component in (pipeline["root"], *pipeline["components"].values()):
        tasks |= component.get("dag", {}).get("tasks", {})
    cached = {name for name, task in tasks.items() if task.get("cachingOptions", {}).get("enableCache")}
    assert {"prep", "train", "score"} <= cached
    assert tasks.keys() >= AZURE_STEPS
    # A version's content never changes, and score is cached only if its inputs are.
    assert AZURE_STEPS & cached == {"aml-live-model"}
    # Prep is cached under the output of preflight: the data's version, or a unique id of the run.
    source = tasks["prep"]["inputs"]["parameters"]["data_version"]["taskOutputParameter"]
    assert source["producerTask"] == "aml-preflight"


def test_the_pipeline_can_say_how_many_bad_images_are_too_many() -> None:
    pipeline, _ = documents(shipped_pipelines() / "image_classification.yaml")
    inputs = [part["dag"]["tasks"].get("prep") for part in pipeline["components"].values() if "dag" in part]
    (given,) = (task["inputs"]["parameters"] for task in inputs if task)
    parameters = pipeline["root"]["inputDefinitions"]["parameters"]
    for name in ("on_bad_image", "max_bad_fraction"):
        assert name in parameters
        assert given[name] == {"componentInputParameter": f"pipelinechannel--{name}"}
