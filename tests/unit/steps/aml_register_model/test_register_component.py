"""What Kubeflow shows of a registration: the result's metadata, and a summary with a link."""

import json

import pytest
from kfp import dsl

from kfp_azureml.steps.aml_register_model import register
from kfp_azureml.steps.aml_register_model.component import aml_register_model
from kfp_azureml.steps.aml_register_model.register import RegisteredModel
from kubeflow_metadata import stored_metadata

PAGE = "https://ml.azure.com/model/net:3/details?wsid=/subscriptions/s/resourceGroups/rg"


@pytest.fixture
def registered(monkeypatch):
    def register_as(tags):
        result = RegisteredModel(name="net", version="3", id="/models/net/3", studio_url=PAGE, tags=tags)
        monkeypatch.setattr(register, "register_model", lambda *_, **__: result)

    return register_as


def run(folder):
    made = dsl.Artifact("registered_model", str(folder / "registered.json"))
    summary = dsl.Markdown("summary", str(folder / "summary.md"))
    outputs = aml_register_model.python_func(dsl.Model("m", str(folder)), made, summary, "net")
    return made, (folder / "summary.md").read_text(), outputs


def test_the_result_is_there_as_metadata_json_and_text(registered, tmp_path):
    registered({"accuracy": "0.9143", "by": "*me*\n# now"})
    made, text, outputs = run(tmp_path)
    assert outputs == ("net", "3", "/models/net/3")
    metadata = stored_metadata(made)
    assert metadata == json.loads((tmp_path / "registered.json").read_text())
    assert metadata["studio_url"] == PAGE
    assert made.uri == str(tmp_path / "registered.json")
    assert text == (
        f"[`net:3`]({PAGE}) is registered in Azure Machine Learning, as `/models/net/3`.\n"
        "\nIts tags:\n\n- `accuracy`: `0.9143`\n- `by`: `*me* # now`\n"
    )


def test_without_tags_none_are_mentioned(registered, tmp_path):
    registered({})
    assert "tags" not in run(tmp_path)[1]
