"""Which ids name a registered version, and the folders that stand for no model; see tests/e2e for the rest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kfp_azureml.azureml.rollout.live_model import registered_version
from kfp_azureml.azureml.workspace_name import WorkspaceName
from kfp_azureml.models.live_model import NONE_LIVE, NOT_WANTED, read_absence
from kfp_azureml.runtime.errors import ModelError, OutputError
from kfp_azureml.steps.aml_live_model.live_model import fetch

WORKSPACE = "/subscriptions/1/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
NOWHERE = WorkspaceName("", "", "")


@pytest.mark.parametrize(
    ("model_id", "expected"),
    [
        (f"{WORKSPACE}/models/fashion/versions/3", ("fashion", "3")),
        (f"{WORKSPACE.upper().replace('/WORKSPACES/', '/workspaces/')}/models/fashion/versions/3", ("fashion", "3")),
        (f"{WORKSPACE}2/models/fashion/versions/3", None),
        ("azureml://registries/azureml/models/fashion/versions/3", None),
        ("azureml:fashion:3", None),
        ("deployment blue without a model", None),
    ],
)
def test_only_a_version_of_the_workspace_is_a_registered_one(model_id: str, expected: tuple[str, str] | None) -> None:
    assert registered_version(model_id, WORKSPACE) == expected


@pytest.mark.parametrize(("model_id", "reason"), [(NONE_LIVE, "no model is live"), (NOT_WANTED, "")])
def test_without_a_model_nothing_is_asked_of_azure(tmp_path: Path, model_id: str, reason: str) -> None:
    assert fetch(tmp_path / "model", model_id, workspace=NOWHERE, timeout_seconds=1) is None
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["no-live-model.json"]
    assert read_absence(tmp_path / "model") == reason


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(OutputError, match="exists and is not an empty folder"):
        fetch(tmp_path, NONE_LIVE, workspace=NOWHERE, timeout_seconds=1)


@pytest.mark.parametrize("content", ["[]", "{}", json.dumps({"reason": 1}), "no JSON"])
def test_a_damaged_marker_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "no-live-model.json").write_text(content)
    with pytest.raises(ModelError, match=r"no-live-model\.json"):
        read_absence(tmp_path)
