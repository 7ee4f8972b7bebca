"""What is tried before training starts, and what prep's cached result is valid for."""

from types import SimpleNamespace

import pytest

from kfp_azureml.azureml import workspace as workspace_module
from kfp_azureml.azureml.workspace_name import WorkspaceName
from kfp_azureml.components import aml_preflight
from kfp_azureml.runtime.errors import InvalidNameError
from kfp_azureml.steps.aml_preflight.preflight import cache_version, preflight

WORKSPACE = WorkspaceName("rg", "ws", "sub")
NO_NAMES = {"model_name": "", "endpoint_name": ""}


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
    """A workspace that answers; who asked for which."""
    asked = []

    def connect(resource_group: str, workspace: str, subscription_id: str) -> SimpleNamespace:
        asked.append((resource_group, workspace, subscription_id))
        return SimpleNamespace(resource_group_name=resource_group, workspace_name=workspace)

    monkeypatch.setattr(workspace_module, "workspace_client", connect)
    return asked


def test_only_a_named_version_of_the_data_is_shared_between_runs() -> None:
    assert cache_version("2026-11", "run-1") == cache_version("2026-11", "run-2")
    assert cache_version("", "run-1") != cache_version("", "run-2")


@pytest.mark.parametrize("names", [{}, {"model_name": "fashion_mnist", "endpoint_name": "fashion-mnist"}])
def test_names_that_will_do_and_a_workspace_that_answers(connected, names) -> None:
    preflight(workspace=WORKSPACE, **NO_NAMES | names)
    assert connected == [("rg", "ws", "sub")]


@pytest.mark.parametrize("names", [{"model_name": "a b"}, {"endpoint_name": "fashion_mnist"}])
def test_a_name_azure_would_refuse_ends_the_run_at_once(connected, names) -> None:
    with pytest.raises(InvalidNameError, match=next(iter(names))):
        preflight(workspace=WORKSPACE, **NO_NAMES | names)
    assert not connected


def test_the_output_is_the_version_that_prep_is_cached_under(connected, tmp_path) -> None:
    assert aml_preflight.component_spec.outputs.keys() == {"data_version"}
    assert aml_preflight.python_func("rg", "ws", run_id="run-1") == ("run-1",)
    assert aml_preflight.python_func("rg", "ws", data_version="2026-11", run_id="run-1") == ("2026-11",)


def test_a_bad_name_fails_the_step(connected, capsys) -> None:
    with pytest.raises(SystemExit, match="1"):
        aml_preflight.python_func("rg", "ws", endpoint_name="-")
    assert "endpoint_name" in capsys.readouterr().err
    assert not connected
