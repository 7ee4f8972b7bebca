"""Probe an endpoint: send a real request and check the response."""

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

GRACE_SECONDS = 120.0  # the endpoint may not route to a deployment yet when that is Succeeded
PAUSE_SECONDS = 2.0
REQUEST_SECONDS = 60.0

DEPLOYMENT_HEADER = "azureml-model-deployment"  # in a request: the target; in a response: the sender

_ROUNDING = 1e-9  # of a share of images

REFUSED_KEY = frozenset({401, 403})
# Not routed yet, too busy, or a gateway error.
_NOT_YET = frozenset({404, 408, 429, 502, 503, 504})


@dataclass(frozen=True)
class Probe:
    """A request for an endpoint, with the expected response.

    Attributes:
        body: JSON body of the request.
        expected: Expected class index of each image; None to accept any response with status 200.
        min_accuracy: Minimum share of images that must have the expected class, 0 to 1.
        parts: Probes with one image each; empty if the request cannot be divided.
    """

    body: bytes
    expected: tuple[int, ...] | None = None
    min_accuracy: float = 1.0
    parts: tuple[Probe, ...] = ()

    def check(self, answer: httpx.Response) -> str | None:
        """Return what is wrong with a response of status 200; None if it passes."""
        if self.expected is None:
            return None
        try:
            predicted = tuple(prediction["index"] for prediction in answer.json()["predictions"])
        except (ValueError, KeyError, TypeError):
            return f"the response has another format: {_shortened(answer.text)}"
        if len(predicted) != len(self.expected):
            return f"{len(predicted)} predictions for {len(self.expected)} images"
        wrong = sum(one != other for one, other in zip(predicted, self.expected, strict=True))
        if wrong > (1 - self.min_accuracy) * len(self.expected) + _ROUNDING:
            return f"{wrong} of {len(self.expected)} predictions differ from the score step's"
        return None


@dataclass
class ScoringClient:
    """Client of an endpoint's scoring URI.

    Attributes:
        uri: The scoring URI.
        key: The endpoint's key or token.
        read_key: Reads the key again if the endpoint rejects it, as it may have been regenerated; None not to.
        timeout_seconds: Timeout of a request.
    """

    uri: str
    key: str = field(repr=False)
    read_key: Callable[[], str] | None = field(default=None, repr=False)
    timeout_seconds: float = REQUEST_SECONDS

    def send(self, probe: Probe, deployment: str, *, by_traffic: bool = False) -> None:
        """Send a probe to a deployment and check the response, retrying until the endpoint routes to it.

        The SDK's `invoke` is not used: it keeps the deployment's header for later calls.

        Args:
            probe: The request.
            deployment: The deployment that must respond; responses of others are retried.
            by_traffic: Let the endpoint's traffic route the request, instead of the deployment's name.

        Raises:
            DeploymentError: If there is no response in time, or a wrong one.
        """
        import httpx

        target = None if by_traffic else deployment
        until = time.monotonic() + GRACE_SECONDS
        with httpx.Client(timeout=self.timeout_seconds) as client:
            while True:
                fault, again = self._try(client, probe, deployment, target)
                if fault is None:
                    return
                if not again or time.monotonic() > until:
                    raise DeploymentError(f"{self.uri}, deployment {deployment}: {fault}")
                time.sleep(PAUSE_SECONDS)

    def send_once(self, client: httpx.Client, probe: Probe, deployment: str) -> str | None:
        """Send a probe to a deployment by its name, without retries.

        Args:
            client: HTTP client, whose connections are reused.
            probe: The request.
            deployment: The deployment that must respond.

        Returns:
            What is wrong with the response; None if it passes.
        """
        return self._try(client, probe, deployment, deployment)[0]

    def _try(self, client: httpx.Client, probe: Probe, deployment: str, target: str | None) -> tuple[str | None, bool]:
        """Return what is wrong with the response to one request, and whether to retry."""
        import httpx

        try:
            answer = self._post(client, probe, target)
            if answer.status_code in REFUSED_KEY and self.read_key:
                progress(f"{self.uri}: key rejected, it may have been regenerated: reading it again")
                self.key = self.read_key()
                answer = self._post(client, probe, target)
        except httpx.HTTPError as error:
            return f"no response ({type(error).__name__}: {error})", True
        answered_by = answer.headers.get(DEPLOYMENT_HEADER, deployment)
        if answered_by != deployment:
            return f"{answered_by} responded instead", True
        return _fault(answer, probe), _status(answer) in _NOT_YET

    def _post(self, client: httpx.Client, probe: Probe, target: str | None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        if target:
            headers[DEPLOYMENT_HEADER] = target
        return client.post(self.uri, content=probe.body, headers=headers)


def read_sample(score_result: Path) -> bytes:
    """Read the sample from the score step's output.

    Raises:
        ModelError: If it is missing.
    """
    path = score_result / SAMPLE_FILE
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"{path}: missing; score_result must be the output folder of the score step") from None


def probe_from_sample(content: bytes, min_accuracy: float = 1.0) -> Probe:
    """Return a probe with the images of a sample, which expects the classes they were scored with.

    Args:
        content: Content of score's `sample.json`.
        min_accuracy: Minimum share of images that must have the expected class, 0 to 1.

    Returns:
        The probe. Its parts of one image check the class only if all images must have theirs.

    Raises:
        ModelError: If the content is invalid.
    """
    try:
        sample: dict[str, Any] = json.loads(content)
        expected = tuple(int(index) for index in sample["predicted"])
        images = list(sample["images"])
        pairs = list(zip(images, expected, strict=True))
    except (ValueError, OverflowError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(f"{SAMPLE_FILE}: not a sample of the score step ({error})") from error
    parts = tuple(Probe(_body([image]), (index,) if min_accuracy == 1 else None) for image, index in pairs)
    return Probe(_body(images), expected, min_accuracy, parts)


def probe_from_example(content: bytes) -> Probe | None:
    """Return a probe with the input example of an MLflow model.

    It accepts any response with status 200.

    Args:
        content: Content of the example's file.

    Returns:
        The probe; None if the example is not an array, {"inputs": [...]}.
    """
    try:
        inputs = json.loads(content)["inputs"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return Probe(json.dumps({"input_data": inputs}).encode()) if isinstance(inputs, list) else None


def probe_from_file(request: Path) -> Probe:
    """Return a probe with the user's own request.

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
        return f"status {answer.status_code}: the endpoint rejects its own key"
    return f"status {_status(answer)}: {_shortened(answer.text)}"


def _status(answer: httpx.Response) -> int:
    """Return the container's status: the service responds 424 for a container's failure."""
    status = answer.headers.get("ms-azureml-model-error-statuscode", "")
    return int(status) if answer.status_code == 424 and status.isdecimal() else answer.status_code


def _shortened(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= 300 else f"{words[:300]} ..."
