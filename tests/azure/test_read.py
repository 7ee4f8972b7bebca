"""Read a workspace: a page of each kind, and what does not exist."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError


def test_the_default_datastore(client: Any) -> None:
    assert client.datastores.get_default().account_name


@pytest.mark.parametrize(
    "kind",
    ["compute", "models", "data", "environments", "components", "online_endpoints", "batch_endpoints", "jobs"],
)
def test_a_page_of_each_kind(client: Any, kind: str) -> None:
    first = next(iter(getattr(client, kind).list()), None)
    assert first is None or first.name


@pytest.mark.parametrize(
    "get",
    [
        lambda client: client.models.get("kfpaz-nothing", "1"),
        lambda client: client.components.get("kfpaz-nothing", "1"),
        lambda client: client.online_endpoints.get("kfpaz-nothing"),
    ],
    ids=["model", "component", "endpoint"],
)
def test_what_does_not_exist(client: Any, get: Callable[[Any], Any]) -> None:
    with pytest.raises(ResourceNotFoundError):
        get(client)
