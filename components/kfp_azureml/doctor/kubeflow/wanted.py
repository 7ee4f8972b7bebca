"""What the checks of Kubeflow need to know."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from kfp_azureml.kubeflow.connection import HOST_VARIABLE

SERVICE_ACCOUNT = "pipeline-runner"  # Kubeflow's own


@dataclass(frozen=True)
class KubeflowSettings:
    """Where Kubeflow is, and what runs there.

    Attributes:
        host: URL of Kubeflow's API; empty selects the environment variable, else the kubeconfig's cluster.
        token_file: File with a bearer token; may be None.
        cookie_file: File with a session cookie; may be None.
        ca_cert: CA certificates of the server; may be None.
        context: Context of the kubeconfig; None selects the current one.
        namespace: Namespace of the runs; None selects that of the context.
        service_account: Service account of the runs; empty selects Kubeflow's own.
        pipeline: A compiled pipeline, whose images are checked; may be None.
    """

    host: str = ""
    token_file: Path | None = None
    cookie_file: Path | None = None
    ca_cert: Path | None = None
    context: str | None = None
    namespace: str | None = None
    service_account: str = ""
    pipeline: Path | None = None

    @property
    def address(self) -> str:
        """URL of Kubeflow's API; empty if it is that of the kubeconfig's cluster."""
        return self.host or os.environ.get(HOST_VARIABLE, "")

    @property
    def account(self) -> str:
        """The service account of the runs."""
        return self.service_account or SERVICE_ACCOUNT
