"""Asking an endpoint a real probe, and knowing whether the answer is right."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfp_azureml.models.model_folder import SAMPLE_FILE
from kfp_azureml.runtime.errors import DeploymentError, ModelError
from kfp_azureml.runtime.step import progress
from kfp_azureml.runtime.text_files import read_user_text

if TYPE_CHECKING:
    import httpx

GRACE_SECONDS = 120.0  # a deployment called Succeeded may need a while until the endpoint routes to it
PAUSE_SECONDS = 2.0
REQUEST_SECONDS = 60.0

DEPLOYMENT_HEADER = "azureml-model-deployment"  # in a request: who is to answer; in an answer: who did

_ROUNDING = 1e-9  # of a share of images

REFUSED_KEY = frozenset({401, 403})
# Not there yet, too busy, or a gateway between us and the container.
_NOT_YET = frozenset({404, 408, 429, 502, 503, 504})


@dataclass(frozen=True)
class Probe:
    """A request for an endpoint.

    Attributes:
        body: The request's JSON.
        expected: The class index of each image in the request; None if any answer with status 200 will do.
        min_accuracy: The least share of the images that has to be answered as expected, 0 to 1.
        parts: The same in small: requests with one image each; empty if the request cannot be divided.
    """

    body: bytes
    expected: tuple[int, ...] | None = None
    min_accuracy: float = 1.0
    parts: tuple[Probe, ...] = ()

    def check(self, answer: httpx.Response) -> str | None:
        """Return what is wrong with an answer of status 200, None if it is right enough."""
        if self.expected is None:
            return None
        try:
            predicted = tuple(prediction["index"] for prediction in answer.json()["predictions"])
        except (ValueError, KeyError, TypeError):
            return f"the answer is not ours: {_shortened(answer.text)}"
        if len(predicted) != len(self.expected):
            return f"{len(predicted)} answers for {len(self.expected)} images"
        wrong = sum(one != other for one, other in zip(predicted, self.expected, strict=True))
        if wrong > (1 - self.min_accuracy) * len(self.expected) + _ROUNDING:
            return f"{wrong} of {len(self.expected)} images are classified differently than when the model was scored"
        return None


@dataclass
class Scoring:
    """Where and how an endpoint is asked.

    Attributes:
        uri: The scoring address.
        key: The endpoint's key or token.
        read_key: Reads it again where the endpoint refuses it, as somebody may have regenerated it; None: it stays.
    """

    uri: str
    key: str = field(repr=False)
    read_key: Callable[[], str] | None = field(default=None, repr=False)

    def ask(self, probe: Probe, deployment: str, *, by_traffic: bool = False) -> None:
        """Ask a deployment, and check its answer.

        The SDK's own `invoke` is not used: it keeps the deployment's name in a header for later calls.

        Args:
            probe: The request.
            deployment: The deployment that has to answer. Another one answers while the endpoint does not route to
                this one yet: that is waited for, and says nothing about this one.
            by_traffic: Send the request where the endpoint's traffic goes, not to the deployment by its name.

        Raises:
            DeploymentError: If there is no answer in time, or not the right one.
        """
        import httpx

        aimed_at = None if by_traffic else deployment
        until = time.monotonic() + GRACE_SECONDS
        with httpx.Client(timeout=REQUEST_SECONDS) as client:
            while True:
                fault, again = self._try(client, probe, deployment, aimed_at)
                if fault is None:
                    return
                if not again or time.monotonic() > until:
                    raise DeploymentError(f"{self.uri}, deployment {deployment}: {fault}")
                time.sleep(PAUSE_SECONDS)

    def ask_once(self, client: httpx.Client, probe: Probe, deployment: str) -> str | None:
        """Ask a deployment by its name, and take the answer as it is.

        Args:
            client: Sends the request; its connections are kept.
            probe: The request.
            deployment: The deployment that has to answer.

        Returns:
            What is wrong with the answer; None if it is right.
        """
        return self._try(client, probe, deployment, deployment)[0]

    def _try(
        self, client: httpx.Client, probe: Probe, deployment: str, aimed_at: str | None
    ) -> tuple[str | None, bool]:
        """Return what is wrong with the answer to one request, and whether it may be right in a moment."""
        import httpx

        try:
            answer = self._post(client, probe, aimed_at)
            if answer.status_code in REFUSED_KEY and self.read_key:
                progress(f"{self.uri}: refuses the key, which somebody may have regenerated: reading it again")
                self.key = self.read_key()
                answer = self._post(client, probe, aimed_at)
        except httpx.HTTPError as error:
            return f"no answer ({type(error).__name__}: {error})", True
        answered_by = answer.headers.get(DEPLOYMENT_HEADER, deployment)
        if answered_by != deployment:
            return f"{answered_by} still answers in its place", True
        return _fault(answer, probe), _status(answer) in _NOT_YET

    def _post(self, client: httpx.Client, probe: Probe, aimed_at: str | None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        if aimed_at:
            headers[DEPLOYMENT_HEADER] = aimed_at
        return client.post(self.uri, content=probe.body, headers=headers)


def read_sample(score_result: Path) -> bytes:
    """Read the sample that score left with its answers.

    Args:
        score_result: The score step's output.

    Raises:
        ModelError: If there is none.
    """
    path = score_result / SAMPLE_FILE
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"{path}: missing; score_result is the folder that the score step wrote") from None


def probe_from_sample(content: bytes, min_accuracy: float = 1.0) -> Probe:
    """Make a request of the images of a sample, which is to be answered as when they were scored.

    Args:
        content: What score wrote to `sample.json`.
        min_accuracy: The least share of the images, 0 to 1, to be classified as they were.

    Returns:
        The request; its parts have one image each. These have to be classified right only where all of them have to.

    Raises:
        ModelError: If it is not what score writes.
    """
    try:
        sample: dict[str, Any] = json.loads(content)
        expected = tuple(int(index) for index in sample["predicted"])
        images = list(sample["images"])
        pairs = list(zip(images, expected, strict=True))
    except (ValueError, OverflowError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(f"{SAMPLE_FILE}: not a sample that the score step wrote ({error})") from error
    parts = tuple(Probe(_body([image]), (index,) if min_accuracy == 1 else None) for image, index in pairs)
    return Probe(_body(images), expected, min_accuracy, parts)


def probe_from_file(request: Path) -> Probe:
    """Read a request of the user's own.

    Raises:
        DeploymentError: If the file is missing or is not JSON.
    """
    body = read_user_text(request, DeploymentError, name=f"request {request}")
    try:
        json.loads(body)
    except (ValueError, RecursionError) as error:
        raise DeploymentError(f"request {request}: not JSON ({error})") from error
    return Probe(body.encode())


def _body(images: list[object]) -> bytes:
    return json.dumps({"images": images}).encode()


def _fault(answer: httpx.Response, probe: Probe) -> str | None:
    if answer.status_code == 200:
        return probe.check(answer)
    if answer.status_code in REFUSED_KEY:
        return f"status {answer.status_code}: the endpoint refuses its own key"
    return f"status {_status(answer)}: {_shortened(answer.text)}"


def _status(answer: httpx.Response) -> int:
    """Return the status as the container gave it: the service answers 424 for a container's failure."""
    status = answer.headers.get("ms-azureml-model-error-statuscode", "")
    return int(status) if answer.status_code == 424 and status.isdecimal() else answer.status_code


def _shortened(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= 300 else f"{words[:300]} ..."
