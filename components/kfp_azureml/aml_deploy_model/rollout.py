"""Moving traffic to a deployment: only when it answered, and back if the endpoint then stops answering."""

from __future__ import annotations

from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING

from kfp_azureml.aml_deploy_model.endpoint import set_traffic, traffic_words
from kfp_azureml.aml_deploy_model.plan import Plan
from kfp_azureml.aml_deploy_model.questions import Question, Scoring
from kfp_azureml.azureml.waiting import Deadline
from kfp_azureml.errors import DeploymentError
from kfp_azureml.steps import progress

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

ROLLBACK_SECONDS = 600.0  # of its own: the way back is not cut short by a long way there


def bring_live(
    client: MLClient, plan: Plan, scoring: Scoring, question: Question | None, deadline: Deadline
) -> dict[str, int]:
    """Give the plan's deployment all the traffic of its endpoint.

    Args:
        client: A client of the workspace.
        plan: Which deployment of which endpoint; it is up.
        scoring: How the endpoint is asked.
        question: What it is asked, before and after; None: nothing.
        deadline: When to give up.

    Returns:
        The traffic as it is now, percentages by deployment.

    Raises:
        DeploymentError: If it does not answer rightly, or Azure does not move the traffic. Traffic is then as it was.
    """
    if question is None:
        progress(
            f"deployment {plan.deployment}: gets traffic unasked, as there is neither a sample nor a request for it"
        )
    else:
        scoring.ask(question, plan.deployment)
        progress(f"deployment {plan.deployment}: answered rightly, now it may get traffic")

    wanted = {plan.deployment: 100}
    before = set_traffic(client, plan.endpoint, wanted, deadline)
    if question is not None:
        try:
            scoring.ask(question, plan.deployment, by_traffic=True)
        except DeploymentError as error:
            back = replace(deadline, seconds=ROLLBACK_SECONDS, started=monotonic())
            set_traffic(client, plan.endpoint, before, back)
            raise DeploymentError(f"{error}; the traffic is back as it was: {traffic_words(before)}") from error
    return wanted
