"""What Kubeflow shows of a deployment: the result's metadata, and a summary with a link and a way to ask."""

import json

from kfp import dsl

from kfp_azureml.steps.aml_deploy_model import deploy
from kfp_azureml.steps.aml_deploy_model.component import aml_deploy_model
from kfp_azureml.steps.aml_deploy_model.deploy import DeployedModel
from kubeflow_metadata import stored_metadata

PAGE = "https://ml.azure.com/endpoints/realtime/shop/detail?wsid=/subscriptions/s/resourceGroups/rg"
DEPLOYED = DeployedModel(
    model="net:3",
    endpoint_name="shop",
    deployment_name="v3-1a2b",
    scoring_uri="https://shop.eastus.inference.ml.azure.com/score",
    traffic={"v3-1a2b": 100},
    endpoint_id="/onlineEndpoints/shop",
    deployment_id="/onlineEndpoints/shop/deployments/v3-1a2b",
    studio_url=PAGE,
    invoke_command="az ml online-endpoint invoke --name shop",
)


def test_the_result_is_there_as_metadata_json_and_text(monkeypatch, tmp_path):
    monkeypatch.setattr(deploy, "deploy_model", lambda *_, **__: DEPLOYED)
    endpoint = dsl.Artifact("endpoint", str(tmp_path / "endpoint.json"))
    summary = dsl.Markdown("summary", str(tmp_path / "summary.md"))
    assert aml_deploy_model.python_func(endpoint, summary, "net", "3") == (DEPLOYED.scoring_uri, "v3-1a2b")

    metadata = stored_metadata(endpoint)
    assert metadata == json.loads((tmp_path / "endpoint.json").read_text())
    assert metadata["studio_url"] == PAGE
    assert endpoint.uri == str(tmp_path / "endpoint.json")
    text = (tmp_path / "summary.md").read_text()
    assert text.startswith(f"Endpoint [`shop`]({PAGE}) answers at `{DEPLOYED.scoring_uri}`.\n")
    for line in ("- `model`: `net:3`", "- `traffic`: `v3-1a2b 100 %`", f"```\n{DEPLOYED.invoke_command}\n```"):
        assert line in text
