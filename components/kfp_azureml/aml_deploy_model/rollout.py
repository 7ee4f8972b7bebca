"""Moving traffic to a deployment: only when it answered, and back if anything goes wrong from there on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from kfp_azureml.aml_deploy_model.endpoint import current_traffic, set_traffic, traffic_words
from kfp_azureml.aml_deploy_model.plan import Plan
from kfp_azureml.aml_deploy_model.questions import Question, Scoring
from kfp_azureml.azureml.waiting import Deadline
from kfp_azureml.errors import CancelledError, KfpAzuremlError
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
        DeploymentError: If it does not answer rightly, or Azure does not move the traffic. Traffic is then put back as
            it was; the message says if that failed too.
        CancelledError: Likewise, if somebody stops the run while the traffic moves.
    """
    if question is None:
        progress(
            f"deployment {plan.deployment}: gets traffic unasked, as there is neither a sample nor a request for it"
        )
    else:
        scoring.ask(question, plan.deployment)
        progress(f"deployment {plan.deployment}: answered rightly, now it may get traffic")

    wanted = {plan.deployment: 100}
    before = current_traffic(client, plan.endpoint)
    try:
        set_traffic(client, plan.endpoint, wanted, deadline)
        if question is not None:
            scoring.ask(question, plan.deployment, by_traffic=True)
    except (KfpAzuremlError, CancelledError, KeyboardInterrupt) as error:
        # Whether the move had begun, or goes on in Azure: what counts is what is live in the end.
        outcome = _put_back(client, plan, before, Deadline(ROLLBACK_SECONDS, deadline.look_at))
        raise type(error)(f"{error}; {outcome}") from error
    return wanted


def _put_back(client: MLClient, plan: Plan, traffic: Mapping[str, int], deadline: Deadline) -> str:
    """Give the endpoint its former traffic, and say how that went."""
    try:
        set_traffic(client, plan.endpoint, traffic, deadline)
    except KfpAzuremlError as error:
        return (
            f"and the traffic could not be put back, {plan.deployment} may have 100 %: set it by hand to "
            f"{traffic_words(traffic)} ({error})"
        )
    return f"the traffic is back as it was: {traffic_words(traffic)}"
