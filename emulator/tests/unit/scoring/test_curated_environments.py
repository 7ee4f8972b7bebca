from __future__ import annotations

import pytest

from azureml_emulator.arm.resources import new_resource
from azureml_emulator.scoring.curated_environments import find_curated, find_stand_in
from azureml_emulator.store import Store

WORKSPACE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
REGISTRY = "azureml://registries/azureml/environments"


@pytest.mark.parametrize(
    ("reference", "resolved"),
    [
        (f"{REGISTRY}/sklearn-1.5/versions/33", f"{REGISTRY}/sklearn-1.5/versions/33"),
        (f"{REGISTRY}/sklearn-1.5/labels/latest", f"{REGISTRY}/sklearn-1.5/versions/1"),
        (f"azureml:{REGISTRY}/sklearn-1.5", f"{REGISTRY}/sklearn-1.5/versions/1"),
        ("azureml:AzureML-sklearn-1.5:7", f"{REGISTRY}/AzureML-sklearn-1.5/versions/7"),
        ("azureml:AzureML-sklearn-1.5@latest", f"{REGISTRY}/AzureML-sklearn-1.5/versions/1"),
        ("azureml:AzureML-sklearn-1.5", f"{REGISTRY}/AzureML-sklearn-1.5/versions/1"),
        (f"{WORKSPACE}/environments/AzureML-sklearn-1.5/versions/7", f"{REGISTRY}/AzureML-sklearn-1.5/versions/7"),
        (
            "azureml://registries/mine/environments/e/versions/2",
            "azureml://registries/mine/environments/e/versions/2",
        ),
    ],
)
def test_references_are_resolved_as_the_service_does(store: Store, reference: str, resolved: str) -> None:
    found = find_curated(store, reference)

    assert found is not None
    assert found["id"] == resolved


@pytest.mark.parametrize(
    "reference", [f"{WORKSPACE}/environments/own/versions/1", "azureml:own:1", "own", "", f"{REGISTRY}/../x"]
)
def test_other_references_are_not_curated(store: Store, reference: str) -> None:
    assert find_curated(store, reference) is None


@pytest.mark.parametrize(
    ("reference", "version"),
    [("azureml:AzureML-mine:1", "1"), ("azureml:AzureML-mine@latest", "2"), ("azureml:azureml-MINE", "2")],
)
def test_the_workspaces_own_come_first(store: Store, reference: str, version: str) -> None:
    for number in ("1", "2"):
        store.put(new_resource(f"{WORKSPACE}/environments/AzureML-mine/versions/{number}", {"image": "an/image"}))

    found = find_curated(store, reference)

    assert found is not None
    assert found["id"] == f"{WORKSPACE}/environments/AzureML-mine/versions/{version}"


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("sklearn-1.5", "scikit-learn~=1.5.0"),
        ("AzureML-sklearn-0.24-ubuntu18.04-py37-cpu", "scikit-learn"),
        ("AzureML-tensorflow-2.16-cuda12", "tensorflow"),
        ("AzureML-ACPT-pytorch-1.12-py39-cuda11.6-gpu", "torch"),
        ("acpt-pytorch-2.8-cuda12.6", "torch"),
        ("AzureML-lightgbm-3.3", "lightgbm"),
    ],
)
def test_images_have_the_packages_they_are_known_for(name: str, package: str) -> None:
    assert package in (find_stand_in(name) or ())


@pytest.mark.parametrize("name", ["responsibleai-tabular", "AzureML-AutoML", "tensorflow-1.15"])
def test_other_images_have_no_stand_in(name: str) -> None:
    assert find_stand_in(name) is None
