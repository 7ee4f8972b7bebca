"""What the checks of Kubeflow need to know."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kfp_azureml.kubeflow.connection import Connection

SERVICE_ACCOUNT = "pipeline-runner"  # Kubeflow's own


@dataclass(frozen=True)
class KubeflowSettings:
    """Where Kubeflow is, and what runs there.

    Attributes:
        connection: URL and credentials of Kubeflow's API.
        context: Context of the kubeconfig; None selects the current one.
        namespace: Namespace of the runs; None selects that of the context.
        service_account: Service account of the runs; empty selects Kubeflow's own.
        pipeline: A compiled pipeline, whose images are checked; may be None.
    """

    connection: Connection
    context: str | None = None
    namespace: str | None = None
    service_account: str = ""
    pipeline: Path | None = None

    @property
    def account(self) -> str:
        """The service account of the runs."""
        return self.service_account or SERVICE_ACCOUNT
