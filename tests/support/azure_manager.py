"""A double of Azure Resource Manager over HTTPS: autoscale settings and request metrics."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.pipeline.transport import HttpTransport

from http_double import Request, Response, json_response
from https_double import answer_https
from kfp_azureml.azureml import arm

TOKEN = "the-token-of-the-identity"


class Identity:
    """A credential that needs no sign-in."""

    def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        return AccessToken(TOKEN, 2**40)


@dataclass
class Manager:
    """State and received requests.

    Attributes:
        settings: Autoscale settings of the resource group by id.
        requests: Number of requests in Azure Monitor by status.
        failing: The next responses instead of its own; None drops the connection.
        asked: Received requests, in order.
        pages: Number of settings on a page.
    """

    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: dict[str, float] = field(default_factory=dict)
    failing: list[Response | None] = field(default_factory=list)
    asked: list[Request] = field(default_factory=list)
    pages: int = 2

    @property
    def writes(self) -> list[str]:
        """The received requests that change something."""
        return [f"{one.method} {one.path.rsplit('/', 1)[-1]}" for one in self.asked if one.method != "GET"]

    def answer(self, request: Request) -> Response | None:
        """Respond as Azure does."""
        self.asked.append(request)
        assert request.host == "management.azure.com"
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        assert request.query["api-version"]
        if self.failing:
            return self.failing.pop(0)
        if request.path.endswith("/providers/Microsoft.Insights/metrics"):
            return json_response(
                200, {"value": [{"timeseries": [self._series(*one) for one in self.requests.items()]}]}
            )
        if request.path.endswith("/autoscalesettings"):
            return self._page(request)
        return self._setting(request)

    def _page(self, request: Request) -> Response:
        begin = int(request.query.get("$skip", ["0"])[0])
        end = begin + self.pages
        answer: dict[str, Any] = {"value": list(self.settings.values())[begin:end]}
        if end < len(self.settings):
            answer["nextLink"] = f"https://{request.host}{request.path}?api-version=1&$skip={end}"
        return json_response(200, answer)

    def _setting(self, request: Request) -> Response:
        if request.method == "PUT":
            self.settings[request.path] = {"id": request.path, **json.loads(request.body)}
            return json_response(201, self.settings[request.path])
        found = self.settings.pop(request.path, None)
        return json_response(200, {}) if found else json_response(404, {"error": {"code": "ResourceNotFound"}})

    @staticmethod
    def _series(status: str, number: float) -> dict[str, Any]:
        names = {"deployment": "green", "statuscode": status}
        return {
            "metadatavalues": [{"name": {"value": name}, "value": value} for name, value in names.items()],
            "data": [{"timeStamp": "t"}, {"timeStamp": "t", "average": number / 2}, {"average": number / 2}],
        }


def manage(monkeypatch: pytest.MonkeyPatch) -> Manager:
    """Connect `resource_manager` to the double until the test ends."""
    manager = Manager()
    answer_https(monkeypatch, manager.answer)
    monkeypatch.setattr(arm, "credential", Identity)
    # Waits between retries pass at once.
    monkeypatch.setattr(HttpTransport, "sleep", lambda _transport, _seconds: None)
    return manager
