"""Asks the live endpoint about scored test images, one request each, and compares with the score step's answers.

It runs as a process of its own, in the environment that reaches the run's Azure ML. It loads the SDK, which takes a
second, before it reads its question: so it can be started while the steps run that are left.
"""

from __future__ import annotations

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
from kfp_azureml.local.step_process import how_it_ended
from kfp_azureml.runtime.errors import DeploymentError
from kfp_azureml.runtime.step import run_step

CURL_FILE = "endpoint.curl"
TIMEOUT_SECONDS = 300.0
POLL_SECONDS = 0.5
TOLERANCE = 1e-4
"""How far a probability may be off; the endpoint batches differently than score, so the last bits may differ."""


@dataclass(frozen=True)
class LiveCheck:
    """How an endpoint's answers compare with the score step's.

    Attributes:
        requests: How many images were asked about.
        agreed: For how many the class and all the probabilities were the same.
    """

    requests: int
    agreed: int


@contextmanager
def live_check_process(cloud: Cloud) -> Iterator[subprocess.Popen[bytes]]:
    """Start the process that can ask an endpoint; when the block ends, it has ended.

    Args:
        cloud: How to reach the endpoint.

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
    """Check the run's endpoint from outside.

    Args:
        child: From `live_check_process`; it can be asked once.
        cloud: Where the endpoint is.
        results: What the steps reported: `endpoint` and `sample`.
        arguments: The pipeline's arguments: `resource_group`, `workspace` and `subscription_id`.
        folder: The run's folder.
        keep: Whether a person will want to ask too: then `endpoint.curl` and `request.json` are written to the folder.

    Raises:
        DeploymentError: If it does not answer, or answers otherwise.
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
        raise DeploymentError(said[-1] if said else f"the live check {how_it_ended(child.returncode)}")
    check = LiveCheck(**json.loads(answer))
    if check.agreed < check.requests:
        raise DeploymentError(f"the live endpoint agrees with the score step on {check.agreed} of {check.requests}")
    return check


def _answer(child: subprocess.Popen[bytes], cloud: Cloud, question: bytes) -> tuple[bytes, bytes]:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    unsent: bytes | None = question
    while time.monotonic() < deadline:
        try:
            return child.communicate(unsent, timeout=POLL_SECONDS)
        except subprocess.TimeoutExpired:
            unsent = None  # a further call goes on with what the first one was given
            cloud.check()
    raise DeploymentError(f"the live endpoint did not answer within {TIMEOUT_SECONDS:.0f} s")


def main() -> None:
    """Ask, as the JSON on stdin says; print the `LiveCheck` as JSON."""
    with run_step("live_check"):
        _ask()


def _ask() -> None:
    import azure.ai.ml  # noqa: F401 - loaded before the question comes
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
                raise DeploymentError(f"the live endpoint does not answer: {error}") from error
            agreed += answer["predictions"][0]["index"] == predicted and all(
                abs(live - scored) <= TOLERANCE
                for live, scored in zip(answer["probabilities"][0], probabilities, strict=True)
            )
    if question["curl_folder"] and agreed == len(sample["images"]):
        _write_curl_files(Path(question["curl_folder"]), sample["images"][0], key)
    print(json.dumps({"requests": len(sample["images"]), "agreed": agreed}))  # noqa: T201 - read by check_endpoint


def _write_curl_files(folder: Path, image: str, key: str) -> None:
    """Write a request, and a curl configuration for the owner's eyes: a key does not belong on a command line."""
    request = folder / "request.json"
    request.write_text(json.dumps({"images": [image]}))
    options = (
        ("proxy", os.environ["HTTPS_PROXY"]),
        ("cacert", os.environ["SSL_CERT_FILE"]),
        ("header", f"Authorization: Bearer {key}"),
        ("header", "Content-Type: application/json"),
        ("data", f"@{request}"),
    )
    descriptor = os.open(folder / CURL_FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.writelines(f'{name} = "{value}"\n' for name, value in options)


if __name__ == "__main__":
    main()
