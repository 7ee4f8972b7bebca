"""The status of an emulator, read from its state folder."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from azureml_emulator.errors import EmulatorError
from azureml_emulator.info import FILE_NAME, LOCK_NAME, EmulatorInfo
from azureml_emulator.machine.folder_permissions import refuse_writable_by_others
from azureml_emulator.machine.locks import is_locked
from azureml_emulator.store import FILE_NAME as STORE_NAME

PROVIDER = "Microsoft.MachineLearningServices/workspaces"


@dataclass(frozen=True)
class Status:
    """An emulator's status.

    Attributes:
        state: `running`, `starting` (or stopping), or `stopped`.
        state_dir: The state folder.
        info: How to reach it while it runs.
        resources: Number of resources by type, such as `models/versions`.
        operations: Number of long-running operations in progress.
    """

    state: str
    state_dir: Path
    info: EmulatorInfo | None = None
    resources: dict[str, int] = field(default_factory=dict)
    operations: int = 0

    def to_dict(self) -> dict[str, object]:
        """Write it for programs, without secrets."""
        shown: dict[str, object] = {"state": self.state, "state_dir": str(self.state_dir)}
        if self.info:
            shown |= {
                "pid": self.info.pid,
                "proxy_url": self.info.proxy_url,
                "ca_file": self.info.ca_file,
                "subscription_id": self.info.environment["AZ_SUBSCRIPTION_ID"],
                "resource_group": self.info.resource_group,
                "workspace": self.info.workspace,
            }
        return {**shown, "resources": self.resources, "operations": self.operations}

    def to_text(self) -> str:
        """Write it for people, without secrets."""
        lines = [f"Azure ML emulator: {self.state}", f"  state folder  {self.state_dir}"]
        if self.info:
            subscription = self.info.environment["AZ_SUBSCRIPTION_ID"]
            lines += [
                f"  process       {self.info.pid}",
                f"  proxy         {self.info.proxy_url}",
                f"  workspace     {self.info.workspace}, resource group {self.info.resource_group}",
                f"  subscription  {subscription}",
            ]
        held = ", ".join(f"{count} {kind}" for kind, count in self.resources.items())
        return "\n".join(
            [*lines, f"  resources     {held or 'none'}", f"  operations    {self.operations} in progress"]
        )


def read_status(state_dir: Path) -> Status:
    """Read the status of a running or stopped emulator.

    Raises:
        EmulatorError: If its database cannot be read, or others can change it.
    """
    if state_dir.exists():
        refuse_writable_by_others(state_dir)
    file = state_dir / FILE_NAME
    # Check the lock, not the file: after kill -9 the file still exists.
    running = is_locked(state_dir / LOCK_NAME)
    info = EmulatorInfo.from_json(file.read_text()) if running and file.exists() else None
    state = "running" if info else "starting" if running else "stopped"
    database = state_dir / STORE_NAME
    if not database.exists():
        return Status(state, state_dir, info)
    try:
        with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            # An emulator that is just starting has no tables yet.
            if connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'operations'").fetchone() == (0,):
                return Status(state, state_dir, info)
            types = connection.execute("SELECT type, count(*) FROM resources GROUP BY type ORDER BY type").fetchall()
            (operations,) = connection.execute("SELECT count(*) FROM operations WHERE status = 'InProgress'").fetchone()
    except sqlite3.Error as error:
        raise EmulatorError(f"{database} cannot be read: {error}") from error
    resources = {kind.removeprefix(f"{PROVIDER}/"): count for kind, count in types if kind != PROVIDER}
    return Status(state, state_dir, info, resources, operations)
