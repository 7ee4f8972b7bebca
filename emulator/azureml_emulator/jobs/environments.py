"""Find the environments of jobs: the workspace's own and curated ones."""

from __future__ import annotations

from azureml_emulator.jobs.assets import find_asset
from azureml_emulator.scoring.curated_environments import find_curated
from azureml_emulator.store import Document, Store


def find_environment(store: Store, reference: str) -> Document:
    """Find an environment by its ARM id, or by a reference that only the service resolves.

    Raises:
        ArmError: 400, if there is no such environment.
    """
    return find_curated(store, reference) or find_asset(store, reference, "environments")
