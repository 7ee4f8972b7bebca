"""Instant scoring: the emulator answers itself, without an inference server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx

SAMPLE_FILE = "sample.json"
"""In a model's folder: `images`, and `predicted`, each image's class index."""
LOG = "The emulator answers itself (--scoring instant); no environment is built, no inference server runs.\n"


class InstantServer:
    """Answers for a deployment, without a process.

    Attributes:
        client: An HTTP client whose requests it answers.
    """

    def __init__(self, sample: bytes | None) -> None:
        self._predictions = _read_sample(sample)
        self.client = httpx.AsyncClient(transport=httpx.MockTransport(self._answer), base_url="http://instant")

    async def stop(self) -> None:
        """Close it."""
        await self.client.aclose()

    def _answer(self, request: httpx.Request) -> httpx.Response:
        try:
            asked = json.loads(request.content)
        except ValueError:
            return httpx.Response(400, json={"error": "the body is not JSON"})
        if self._predictions is None or not isinstance(asked, dict) or not isinstance(asked.get("images"), list):
            return httpx.Response(200, json=asked)
        images = [json.dumps(image) for image in asked["images"]]
        unknown = [number for number, image in enumerate(images) if image not in self._predictions]
        if unknown:
            return httpx.Response(400, json={"error": f"image {unknown[0]} is not in the model's {SAMPLE_FILE}"})
        return httpx.Response(200, json={"predictions": [{"index": self._predictions[image]} for image in images]})


def _read_sample(content: bytes | None) -> Mapping[str, Any] | None:
    """Return the prediction of each sample image; None without a valid sample file."""
    if content is None:
        return None
    try:
        sample = json.loads(content)
        pairs = zip(sample["images"], sample["predicted"], strict=True)
        return {json.dumps(image): index for image, index in pairs}
    except (ValueError, KeyError, TypeError):
        return None
