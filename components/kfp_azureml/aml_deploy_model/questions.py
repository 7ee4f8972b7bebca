"""Asking an endpoint a real question, and knowing whether the answer is right."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfp_azureml.errors import DeploymentError, ModelError
from kfp_azureml.model_folder import SAMPLE_FILE

if TYPE_CHECKING:
    import httpx

GRACE_SECONDS = 120.0  # a deployment called Succeeded may need a while until the endpoint routes to it
PAUSE_SECONDS = 2.0
REQUEST_SECONDS = 60.0

DEPLOYMENT_HEADER = "azureml-model-deployment"  # in a request: who is to answer; in an answer: who did

# Not there yet, too busy, or a gateway between us and the container.
_NOT_YET = frozenset({404, 408, 429, 502, 503, 504})


@dataclass(frozen=True)
class Question:
    """A request for an endpoint.

    Attributes:
        body: The request's JSON.
        expected: The class index of each image in the request; None if any answer with status 200 will do.
    """

    body: bytes
    expected: tuple[int, ...] | None = None

    def check(self, answer: httpx.Response) -> str | None:
        """Return what is wrong with an answer of status 200, None if it is right."""
        if self.expected is None:
            return None
        try:
            predicted = tuple(prediction["index"] for prediction in answer.json()["predictions"])
        except (ValueError, KeyError, TypeError):
            return f"the answer is not ours: {_shortened(answer.text)}"
        if len(predicted) != len(self.expected):
            return f"{len(predicted)} answers for {len(self.expected)} images"
        wrong = sum(one != other for one, other in zip(predicted, self.expected, strict=True))
        if wrong:
            return f"{wrong} of {len(self.expected)} images are classified differently than when the model was scored"
        return None


@dataclass(frozen=True)
class Scoring:
    """Where and how an endpoint is asked.

    Attributes:
        uri: The scoring address.
        key: The endpoint's key or token.
    """

    uri: str
    key: str = field(repr=False)

    def ask(self, question: Question, deployment: str, *, by_traffic: bool = False) -> None:
        """Ask a deployment, and check its answer.

        The SDK's own `invoke` is not used: it keeps the deployment's name in a header for later calls.

        Args:
            question: The request.
            deployment: The deployment that has to answer. Another one answers while the endpoint does not route to
                this one yet: that is waited for, and says nothing about this one.
            by_traffic: Send the request where the endpoint's traffic goes, not to the deployment by its name.

        Raises:
            DeploymentError: If there is no answer in time, or not the right one.
        """
        import httpx

        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        if not by_traffic:
            headers[DEPLOYMENT_HEADER] = deployment
        until = time.monotonic() + GRACE_SECONDS
        with httpx.Client(timeout=REQUEST_SECONDS) as client:
            while True:
                try:
                    answer = client.post(self.uri, content=question.body, headers=headers)
                    answered_by = answer.headers.get(DEPLOYMENT_HEADER, deployment)
                    if answered_by == deployment:
                        fault, again = _fault(answer, question), _status(answer) in _NOT_YET
                    else:
                        fault, again = f"{answered_by} still answers in its place", True
                except httpx.HTTPError as error:
                    fault, again = f"no answer ({type(error).__name__}: {error})", True
                if fault is None:
                    return
                if not again or time.monotonic() > until:
                    raise DeploymentError(f"{self.uri}, deployment {deployment}: {fault}")
                time.sleep(PAUSE_SECONDS)


def question_from_sample(score_result: Path) -> Question:
    """Make a request of the images that score left with its answers.

    Args:
        score_result: The score step's output.

    Returns:
        The request with the classes it was answered with.

    Raises:
        ModelError: If there is no sample, or it is not what score writes.
    """
    path = score_result / SAMPLE_FILE
    try:
        sample: dict[str, Any] = json.loads(path.read_text())
        body = json.dumps({"images": sample["images"]}).encode()
        return Question(body, tuple(int(index) for index in sample["predicted"]))
    except FileNotFoundError:
        raise ModelError(f"{path}: missing; score_result is the folder that the score step wrote") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: not a sample that the score step wrote ({error})") from error


def question_from_file(request: Path) -> Question:
    """Read a request of the user's own.

    Raises:
        DeploymentError: If the file is missing or is not JSON.
    """
    try:
        body = request.read_bytes()
        json.loads(body)
    except FileNotFoundError:
        raise DeploymentError(f"request {request}: missing") from None
    except ValueError as error:
        raise DeploymentError(f"request {request}: not JSON ({error})") from error
    return Question(body)


def _fault(answer: httpx.Response, question: Question) -> str | None:
    if answer.status_code == 200:
        return question.check(answer)
    if answer.status_code in (401, 403):
        return f"status {answer.status_code}: the endpoint refuses its own key"
    return f"status {_status(answer)}: {_shortened(answer.text)}"


def _status(answer: httpx.Response) -> int:
    """Return the status as the container gave it: the service answers 424 for a container's failure."""
    status = answer.headers.get("ms-azureml-model-error-statuscode", "")
    return int(status) if answer.status_code == 424 and status.isdecimal() else answer.status_code


def _shortened(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= 300 else f"{words[:300]} ..."
