"""What Kubeflow Trainer and the kubelet do with a TrainJob, by processes of this machine in place of pods."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

from kubernetes_workloads import Workloads


@contextmanager
def running_train_jobs(cluster: Workloads) -> Iterator[None]:
    """Run each TrainJob that is created in the double, until the block ends or the job is deleted.

    On one machine all workers would listen at port 29500, so TF_CONFIG gives each its own; PET_* are set too.
    """
    operator = _Operator(cluster)
    cluster.on_create, cluster.on_delete = operator.start, operator.stop
    try:
        yield
    finally:
        for name in list(operator.workers):
            operator.stop(name)


class _Operator:
    def __init__(self, cluster: Workloads) -> None:
        self.workers: dict[str, list[subprocess.Popen[str]]] = {}
        self._cluster = cluster

    def start(self, job: dict[str, Any]) -> None:
        name, trainer = job["metadata"]["name"], job["spec"]["trainer"]
        count = trainer["numNodes"]
        pods = [pod["metadata"]["name"] for pod in self._cluster.add_pods(name, count)]
        addresses = [f"127.0.0.1:{port}" for port in _free_ports(count)]
        self.workers[name] = [
            subprocess.Popen(
                [sys.executable, *trainer["command"][1:], *trainer["args"]],
                env={**os.environ, **self._environment(trainer), **_of_worker(name, addresses, rank)},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for rank in range(count)
        ]
        self._cluster.set_state(name, ready=True)
        for pod, process in zip(pods, self.workers[name], strict=True):
            threading.Thread(target=self._read, args=(pod, process), daemon=True).start()
        threading.Thread(target=self._wait, args=(name, pods), daemon=True).start()

    def stop(self, name: str) -> None:
        for process in self.workers.pop(name, []):
            process.kill()
            process.wait()
        for pod in [pod for pod in self._cluster.pods if pod.startswith(f"{name}-")]:
            self._cluster.pods.pop(pod)

    def _environment(self, trainer: dict[str, Any]) -> dict[str, str]:
        values = {}
        for variable in trainer["env"]:
            if "value" in variable:
                values[variable["name"]] = variable["value"]
                continue
            reference = variable["valueFrom"]["secretKeyRef"]
            secret = self._cluster.secrets.get(reference["name"], {})
            if reference["key"] in secret:
                values[variable["name"]] = secret[reference["key"]]
        return values

    def _read(self, pod: str, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        for line in process.stdout:
            stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            self._cluster.logs[pod].append(f"{stamp} {line.rstrip()}")

    def _wait(self, name: str, pods: list[str]) -> None:
        codes = [process.wait() for process in self.workers.get(name, [])]
        if name not in self.workers:
            return  # deleted
        for pod, code in zip(pods, codes, strict=True):
            ended = {"exitCode": code if code >= 0 else 128 - code}
            self._cluster.pods[pod]["status"] = {
                "phase": "Failed" if code else "Succeeded",
                "containerStatuses": [{"name": "node", "state": {"terminated": ended}}],
            }
        if any(codes):
            self._cluster.set_state(name, "Failed", "jobset failed due to one or more job failures")
        else:
            self._cluster.set_state(name, "Complete", "jobset completed successfully")


def _of_worker(name: str, addresses: list[str], rank: int) -> dict[str, str]:
    return {
        "PET_NNODES": str(len(addresses)),
        "PET_NODE_RANK": str(rank),
        "PET_NPROC_PER_NODE": "1",
        "PET_MASTER_ADDR": f"{name}-node-0-0.{name}",
        "PET_MASTER_PORT": "29500",
        "TF_CONFIG": json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": rank}}),
    }


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]
