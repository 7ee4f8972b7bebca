"""Compare the live endpoint's predictions for scored test images with the score step's.

It runs as a separate process with the environment variables of the run's Azure ML. It imports the SDK, which takes a
second, before it reads its input, so that it can start while the last steps run.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kfp_azureml.local.child_group import child_group
from kfp_azureml.local.cloud import Cloud
from kfp_azureml.local.exit_codes import exit_description
from kfp_azureml.runtime.errors import DeploymentError
from kfp_azureml.runtime.step import run_step

CURL_FILE = "endpoint.curl"
_CURL_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r"})
REQUEST_FILES = ("sample.png", "request.json")
"""Names of the request beside it; one of them is there."""
TIMEOUT_SECONDS = 300.0
POLL_SECONDS = 0.5
TOLERANCE = 1e-4
"""Maximum difference of a probability; another batch size than score's changes the last bits."""


@dataclass(frozen=True)
class LiveCheck:
    """Comparison of an endpoint's predictions with those of the score step.

    Attributes:
        requests: Number of requests, one image each.
        agreed: Number of requests with the same class and probabilities.
    """

    requests: int
    agreed: int


@contextmanager
def live_check_process(cloud: Cloud) -> Iterator[subprocess.Popen[bytes]]:
    """Start the process that checks an endpoint; end it when the block ends.

    Args:
        cloud: The run's Azure ML.

    Yields:
        The process, for `check_endpoint`.
    """
    command = [sys.executable, "-m", "kfp_azureml.local.live_check"]
    pipe = subprocess.PIPE
    environment = {**cloud.environment, **cloud.credentials}
    with child_group(command, environment, stdin=pipe, stdout=pipe, stderr=pipe) as child:
        yield child


def check_endpoint(
    child: subprocess.Popen[bytes],
    cloud: Cloud,
    results: dict[str, Any],
    arguments: Mapping[str, Any],
    folder: Path,
    keep: bool,
) -> LiveCheck:
    """Check the run's endpoint.

    Args:
        child: The process from `live_check_process`; it serves one check.
        cloud: The run's Azure ML.
        results: Results of the steps: `endpoint` and `sample`.
        arguments: The pipeline's arguments: `resource_group`, `workspace` and `subscription_id`.
        folder: The run's folder.
        keep: Whether to write `endpoint.curl` and the image that it sends to the folder.

    Raises:
        DeploymentError: If the endpoint does not respond, or a prediction differs.
    """
    question = {
        "endpoint": results["endpoint"],
        "sample": results["sample"],
        "workspace": [arguments.get(name, "") for name in ("resource_group", "workspace", "subscription_id")],
        "curl_folder": str(folder) if keep else None,
    }
    answer, errors = _answer(child, cloud, json.dumps(question).encode())
    with (folder / "log.txt").open("ab") as log:
        log.write(errors)
    if child.returncode != 0:
        cloud.check()
        said = errors.decode(errors="replace").strip().splitlines()
        raise DeploymentError(said[-1] if said else f"the live check {exit_description(child.returncode)}")
    check = LiveCheck(**json.loads(answer))
    if check.agreed < check.requests:
        raise DeploymentError(
            f"the live endpoint's predictions differ from the score step's for {check.requests - check.agreed} of "
            f"{check.requests} images"
        )
    return check


def _answer(child: subprocess.Popen[bytes], cloud: Cloud, question: bytes) -> tuple[bytes, bytes]:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    unsent: bytes | None = question
    while time.monotonic() < deadline:
        try:
            return child.communicate(unsent, timeout=POLL_SECONDS)
        except subprocess.TimeoutExpired:
            unsent = None  # later calls send the rest of the first one's input
            cloud.check()
    raise DeploymentError(f"the live endpoint did not respond within {TIMEOUT_SECONDS:.0f} s")


def main() -> None:
    """Check the endpoint given as JSON on stdin; print the `LiveCheck` as JSON."""
    with run_step("live_check"):
        _ask()


def _ask() -> None:
    import azure.ai.ml  # noqa: F401 - imported before the input is read
    import httpx

    from kfp_azureml.azureml.rollout.endpoint import scoring_key
    from kfp_azureml.azureml.workspace import workspace_client

    question: dict[str, Any] = json.load(sys.stdin)
    sample = json.loads(Path(question["sample"]).read_text())
    uri = question["endpoint"]["scoring_uri"]
    client = workspace_client(*question["workspace"])
    key = scoring_key(client, question["endpoint"]["name"])
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    agreed = 0
    with httpx.Client(headers=headers, timeout=60.0) as http:
        for image, predicted, probabilities in zip(
            sample["images"], sample["predicted"], sample["probabilities"], strict=True
        ):
            try:
                answer = http.post(uri, json={"images": [image]}).raise_for_status().json()
            except httpx.HTTPError as error:
                raise DeploymentError(f"the live endpoint does not respond: {error}") from error
            agreed += answer["predictions"][0]["index"] == predicted and all(
                abs(live - scored) <= TOLERANCE
                for live, scored in zip(answer["probabilities"][0], probabilities, strict=True)
            )
    if question["curl_folder"] and agreed == len(sample["images"]):
        _write_curl_files(Path(question["curl_folder"]), sample, uri, key)
    print(json.dumps({"requests": len(sample["images"]), "agreed": agreed}))  # noqa: T201 - read by check_endpoint


def _write_curl_files(folder: Path, sample: dict[str, Any], uri: str, key: str) -> None:
    """Write a request, and a curl configuration that only the owner can read, since it contains the key."""
    _write_request(folder, sample["images"][0], tuple(sample["shape"]))
    options = (
        ("url", uri),
        ("proxy", os.environ["HTTPS_PROXY"]),
        ("cacert", os.environ["SSL_CERT_FILE"]),
        ("header", f"Authorization: Bearer {key}"),
        # No content type: curl sets that of --form and --json, and else the entry script looks at the content.
    )
    descriptor = os.open(folder / CURL_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.writelines(f"{name} = {_quoted(value)}\n" for name, value in options)


def _quoted(value: str) -> str:
    """Return a value for curl's configuration, where a quote or a line end would begin another option."""
    return '"' + value.translate(_CURL_ESCAPES) + '"'


def _write_request(folder: Path, image: str, shape: tuple[int, int, int]) -> None:
    """Write the image as a PNG, or as JSON if it is neither grey nor RGB."""
    height, width, channels = shape
    picture, document = (folder / name for name in REQUEST_FILES)
    if channels in (1, 3):
        from PIL import Image

        pixels = base64.b64decode(image)
        Image.frombytes("L" if channels == 1 else "RGB", (width, height), pixels).save(picture)
    else:
        document.write_text(json.dumps({"images": [image]}))


if __name__ == "__main__":
    main()
