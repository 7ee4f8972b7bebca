"""Tag what the suite creates in a workspace on behalf of a run of `make test-azure`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from azure_place import Run


@contextmanager
def tagged(client: Any, run: Run) -> Iterator[None]:
    """Give components and jobs that are created with this client the run's tags, in the request that creates them.

    A tag that is added later would be missing if the run is killed in between.
    """
    with _tagging(client.components, run), _tagging(client.jobs, run):
        yield


@contextmanager
def _tagging(operations: Any, run: Run) -> Iterator[None]:
    create = operations.create_or_update

    def create_tagged(resource: Any, *args: Any, **kwargs: Any) -> Any:
        # An anonymous component belongs to its job, and its tags would be part of its hash.
        if not kwargs.get("is_anonymous"):
            resource.tags = {**(resource.tags or {}), **run.tags}
        return create(resource, *args, **kwargs)

    with patch.object(operations, "create_or_update", create_tagged):
        yield
