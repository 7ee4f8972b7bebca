"""What deploy did, in a few words of Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfp_azureml.azureml.markdown import code, items, link
from kfp_azureml.azureml.rollout.traffic import in_words as traffic_in_words

if TYPE_CHECKING:
    from kfp_azureml.steps.aml_deploy_model.deploy import DeployedModel


def in_words(deployed: DeployedModel) -> str:
    """Return what is live where, and how to ask it without ever seeing its key."""
    facts = {
        "model": deployed.model,
        "deployment": deployed.deployment_name,
        "traffic": traffic_in_words(deployed.traffic),
        "resource id": deployed.deployment_id,
    }
    return f"""\
Endpoint {link(deployed.endpoint_name, deployed.studio_url)} answers at {code(deployed.scoring_uri)}.

{items(facts)}

To ask it what is in `request.json`, with the Azure CLI, which gets the key by itself:

```
{deployed.invoke_command}
```
"""
