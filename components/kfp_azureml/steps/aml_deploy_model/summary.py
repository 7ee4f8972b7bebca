"""Summary of a deployment, as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfp_azureml.azureml.markdown import code, items, link
from kfp_azureml.azureml.rollout.traffic_shares import format_traffic

if TYPE_CHECKING:
    from kfp_azureml.steps.aml_deploy_model.deploy import DeployedModel


def format_summary(deployed: DeployedModel) -> str:
    """Return the summary, with a command that needs no key."""
    facts = {
        "model": deployed.model,
        "deployment": deployed.deployment_name,
        "traffic": format_traffic(deployed.traffic),
        "resource id": deployed.deployment_id,
    }
    return f"""\
Endpoint {link(deployed.endpoint_name, deployed.studio_url)} answers at {code(deployed.scoring_uri)}.

{items(facts)}

To send `request.json` to it with the Azure CLI, which reads the key itself:

```
{deployed.invoke_command}
```
"""
