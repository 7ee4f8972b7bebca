"""Clusters: their states follow from when they were started and stopped; no machine stands behind them."""

from __future__ import annotations

import secrets
import string
from datetime import UTC, datetime

from azureml_emulator.databricks.clock import milliseconds
from azureml_emulator.databricks.documents import Documents
from azureml_emulator.databricks.errors import DatabricksError, invalid
from azureml_emulator.settings import Settings
from azureml_emulator.store import Document, Store
from azureml_emulator.test_control.behaviours import Behaviours

# What the service adds to the specification, in the document of a cluster.
START_FAILED = {"code": "CLOUD_PROVIDER_LAUNCH_FAILURE", "type": "CLOUD_FAILURE"}


class Clusters:
    """All clusters."""

    def __init__(self, settings: Settings, store: Store, behaviours: Behaviours) -> None:
        self._settings = settings
        self._documents = Documents(store.connection, "cluster")
        self._behaviours = behaviours

    def create(self, specification: Document, source: str = "API") -> str:
        """Create and start a cluster; return its id.

        Args:
            specification: What the client sent.
            source: `API`, or `JOB` for the cluster of one run.
        """
        word = "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(8))
        cluster_id = f"{datetime.now(UTC):%m%d-%H%M%S}-{word}"
        self._documents.put(cluster_id, {"specification": specification, "source": source, "started": milliseconds()})
        return cluster_id

    def show(self, cluster_id: str) -> Document:
        """Return a cluster as the API shows it.

        Raises:
            DatabricksError: 400, if it does not exist.
        """
        cluster = self._get(cluster_id)
        specification = cluster["specification"]
        name = str(specification.get("cluster_name") or "")
        shown: Document = {
            **specification,
            "cluster_id": cluster_id,
            "cluster_name": name,
            "cluster_source": cluster["source"],
            "creator_user_name": self._settings.client_id,
            "start_time": cluster["started"],
            "state": "RUNNING",
            "state_message": "",
            "spec": specification,
        }
        behaviour = self._behaviours.cluster(name)
        ready = cluster["started"] + int(self._settings.endpoint_seconds * 1000)
        if "terminated" in cluster:
            reason = {"code": "USER_REQUEST", "type": "SUCCESS"}
            shown |= {"state": "TERMINATED", "terminated_time": cluster["terminated"], "termination_reason": reason}
        elif behaviour and behaviour.never_starts:
            shown |= {"state": "PENDING", "state_message": behaviour.message}
        elif behaviour:
            parameters = {"databricks_error_message": behaviour.message}
            shown |= {
                "state": "TERMINATED",
                "state_message": behaviour.message,
                "termination_reason": {**START_FAILED, "parameters": parameters},
            }
        elif milliseconds() < ready:
            shown |= {"state": "PENDING", "state_message": "Starting Spark"}
        return shown

    def all(self) -> list[Document]:
        """List all clusters but those of runs that have ended, the newest first."""
        shown = [self.show(cluster_id) for cluster_id in reversed(self._documents.items())]
        return [each for each in shown if each["cluster_source"] == "API" or each["state"] != "TERMINATED"]

    def exists(self, cluster_id: str) -> bool:
        """Return whether there is such a cluster."""
        return self._documents.get(cluster_id) is not None

    def start(self, cluster_id: str) -> None:
        """Start a cluster, unless it runs.

        Raises:
            DatabricksError: 400, if it does not exist.
        """
        cluster = self._get(cluster_id)
        if cluster.pop("terminated", None):
            self._documents.put(cluster_id, {**cluster, "started": milliseconds()})

    def edit(self, cluster_id: str, specification: Document) -> None:
        """Replace a cluster's specification; a running one restarts.

        Raises:
            DatabricksError: 400, if it does not exist.
        """
        cluster = self._get(cluster_id)
        self._documents.put(cluster_id, {**cluster, "specification": specification, "started": milliseconds()})

    def terminate(self, cluster_id: str) -> None:
        """Terminate a cluster; it can be started again.

        Raises:
            DatabricksError: 400, if it does not exist.
        """
        cluster = self._get(cluster_id)
        self._documents.put(cluster_id, {"terminated": milliseconds(), **cluster})

    def delete(self, cluster_id: str) -> None:
        """Delete a cluster for good.

        Raises:
            DatabricksError: 400, if it does not exist.
        """
        self._get(cluster_id)
        self._documents.delete(cluster_id)

    def clear(self) -> None:
        """Delete all clusters."""
        self._documents.clear()

    def _get(self, cluster_id: str) -> Document:
        cluster = self._documents.get(cluster_id)
        if cluster is None:
            raise missing_cluster(cluster_id)
        return cluster


def missing_cluster(cluster_id: str) -> DatabricksError:
    """A cluster that does not exist: 400, as the service answers."""
    return invalid(f"Cluster {cluster_id} does not exist")
