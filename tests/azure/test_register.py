"""Register a model, an environment, components and data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from azure.ai.ml.entities import Data, Environment

from azure_place import RUN_TAG, Place
from azure_tagged import tagged
from kfp_azureml.azureml_pipelines import download_model, get_component, register_components, suite_specs
from kfp_azureml.compiling import PipelineOptions
from step_calls import register_model
from tiny_classifier import write_tiny_model, write_tiny_score


def test_a_model_is_registered_once_for_each_content(place: Place, client: Any, tmp_path: Path) -> None:
    name, tags = f"{place.run.prefix}-registered", place.run.tags
    versions = []
    for seed in (1, 2):
        model = write_tiny_model(tmp_path / f"{seed}" / "model", seed=seed)
        scored = write_tiny_score(tmp_path / f"{seed}" / "scored", model)
        given: dict[str, Any] = {"model_name": name, "score_result": scored, "tags": tags, **place.names}
        registered = register_model(model, run_id="test", **given)
        assert register_model(model, run_id="test-again", **given).version == registered.version
        versions.append(registered.version)
    assert versions == ["1", "2"]
    assert client.models.get(name, "2").tags[RUN_TAG] == tags[RUN_TAG]
    assert "sha256 as registered" in download_model(client, name, "2", tmp_path / "downloaded").verified


def test_an_environment(place: Place, client: Any) -> None:
    name = f"{place.run.prefix}-environment"
    conda = {"name": "test", "channels": ["conda-forge"], "dependencies": ["python=3.11", {"pip": ["numpy"]}]}
    image = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"
    wanted = Environment(name=name, version="1", image=image, conda_file=conda, tags=place.run.tags)
    assert client.environments.create_or_update(wanted).version == "1"
    assert client.environments.get(name, "1").image == image
    assert [each.version for each in client.environments.list(name)] == ["1"]


def test_the_suites_components(place: Place, client: Any) -> None:
    # Without images of their own in the registry: nothing runs them here.
    specs = list(suite_specs(PipelineOptions(registry=place.registry, tag=place.tag), place.run.version))
    with tagged(client, place.run):
        assert not any(done.found for done in register_components(client, specs))
        assert all(done.found for done in register_components(client, specs))
    component = get_component(client, "train", place.run.version)
    assert (component.version, component.tags) == (place.run.version, place.run.tags)


def test_data(place: Place, client: Any, tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("a,b\n1,2\n")
    name = f"{place.run.prefix}-data"
    made = client.data.create_or_update(
        Data(name=name, version="1", type="uri_folder", path=str(tmp_path), tags=place.run.tags)
    )
    assert made.path.startswith("azureml://")
    assert client.data.get(name, "1").tags == place.run.tags
