"""Databricks as a whole: the parts of the one workspace."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

from azureml_emulator.databricks.clusters import Clusters
from azureml_emulator.databricks.documents import Documents
from azureml_emulator.databricks.execution import Execution
from azureml_emulator.databricks.local_paths import LocalPaths
from azureml_emulator.databricks.runs import Runs, new_id
from azureml_emulator.databricks.scheduler import Scheduler
from azureml_emulator.databricks.secrets import SecretScopes
from azureml_emulator.databricks.uploads import Uploads
from azureml_emulator.databricks.workspace_items import WorkspaceItems
from azureml_emulator.settings import Settings
from azureml_emulator.store import Store
from azureml_emulator.test_control.behaviours import Behaviours

FOLDER = "databricks"
"""In the state folder."""


class Databricks:
    """One Databricks workspace.

    Attributes:
        paths: Where volumes, workspace and DBFS are on this machine.
        items: Notebooks, files and folders of the workspace.
        scopes: Secret scopes.
        clusters: Clusters.
        jobs: Jobs, by id.
        runs: Runs.
        scheduler: What runs them.
        uploads: Uploads in parts, to volumes and DBFS.
        handles: The uploads to DBFS by their handles.
        downloads: Paths of files by the tokens in their presigned addresses.
    """

    def __init__(self, settings: Settings, store: Store, behaviours: Behaviours) -> None:
        folder = settings.state_dir / FOLDER
        self._running = folder / "running"
        # Left by a killed emulator.
        shutil.rmtree(self._running, ignore_errors=True)
        self.paths = LocalPaths(folder)
        self.uploads = Uploads(folder / "uploads")
        self.handles: dict[int, str] = {}
        self.downloads: dict[str, str] = {}
        self.items = WorkspaceItems(store, self.paths)
        self.scopes = SecretScopes(store)
        self.clusters = Clusters(settings, store, behaviours)
        self.jobs = Documents(store.connection, "job")
        self.runs = Runs(store.connection)
        self._execution = Execution(settings, self.runs, self.paths, self.items, self.scopes, self._running)
        self.scheduler = Scheduler(self.runs, self.clusters, self._execution, behaviours, settings.job_slots)

    def open(self, environment: Mapping[str, str]) -> None:
        """Set the client environment of runs; fail the runs of a previous emulator."""
        self._execution.environment.update(environment)
        self.scheduler.fail_lost_runs()

    def new_handle(self, token: str) -> int:
        """Return a new handle of an upload to DBFS."""
        handle = new_id()
        self.handles[handle] = token
        return handle

    async def clear(self) -> None:
        """Restore an empty workspace."""
        await self.scheduler.clear()
        self.jobs.clear()
        self.handles.clear()
        self.downloads.clear()
        for part in (self.items, self.scopes, self.clusters, self.uploads, self.paths):
            part.clear()

    async def close(self) -> None:
        """End all processes."""
        await self.scheduler.close()
