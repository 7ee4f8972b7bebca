"""Which worker of how many this process is, from the environment that an orchestrator sets."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kfp_azureml.runtime.errors import TrainingError

TF_CONFIG = "TF_CONFIG"
"""Environment variable with the cluster, as TensorFlow defines it; Azure ML and TFJobs set it."""


@dataclass(frozen=True)
class Cluster:
    """The workers that train one network together.

    Attributes:
        addresses: HOST:PORT of each worker, by rank.
        rank: Which of them this process is, from 0. Only worker 0 writes results.
    """

    addresses: tuple[str, ...]
    rank: int

    def __post_init__(self) -> None:
        if not 0 <= self.rank < len(self.addresses):
            raise TrainingError(f"worker {self.rank}: there are only {len(self.addresses)}, numbered from 0")

    @property
    def count(self) -> int:
        """Number of workers."""
        return len(self.addresses)

    def tf_config(self) -> str:
        """Return the value of `TF_CONFIG` for this worker."""
        task = {"type": "worker", "index": self.rank}
        return json.dumps({"cluster": {"worker": list(self.addresses)}, "task": task})


def cluster_from_env(environ: Mapping[str, str] = os.environ) -> Cluster | None:
    """Return the cluster of this process; None if it trains alone.

    | variables | set by |
    |---|---|
    | TF_CONFIG | Azure ML (`distribution: tensorflow`), TFJobs, `kfp-azureml run --workers` |
    | PET_NNODES, PET_NODE_RANK, PET_MASTER_ADDR, PET_MASTER_PORT | Kubeflow Trainer's runtimes for PyTorch |
    | JAX_NUM_PROCESSES, JAX_PROCESS_ID, JAX_COORDINATOR_ADDRESS | Kubeflow Trainer's runtimes for JAX |

    Kubeflow Trainer only names worker 0. The pods of a job differ in the number at the end of their host name:
    NAME-node-0-1.NAME is worker 1 of NAME-node-0-0.NAME.

    Raises:
        TrainingError: If the variables contradict each other or name servers that are not workers.
    """
    if text := environ.get(TF_CONFIG):
        cluster = _of_tf_config(text)
    elif "PET_NNODES" in environ:
        address = f"{environ.get('PET_MASTER_ADDR', '')}:{environ.get('PET_MASTER_PORT', '29500')}"
        cluster = _of_first_worker(environ, "PET_NNODES", "PET_NODE_RANK", address)
    elif "JAX_NUM_PROCESSES" in environ:
        address = environ.get("JAX_COORDINATOR_ADDRESS", "")
        cluster = _of_first_worker(environ, "JAX_NUM_PROCESSES", "JAX_PROCESS_ID", address)
    else:
        return None
    return cluster if cluster.count > 1 else None


def _of_tf_config(text: str) -> Cluster:
    try:
        config: dict[str, Any] = json.loads(text)
        tasks: dict[str, list[str]] = {kind: list(named) for kind, named in config["cluster"].items() if named}
        kind, index = str(config["task"]["type"]), int(config["task"]["index"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrainingError(f"{TF_CONFIG} is not a cluster and a task as JSON: {text[:200]}") from error
    if others := sorted({*tasks, kind} - {"chief", "master", "worker"}):
        raise TrainingError(f"{TF_CONFIG} has {', '.join(others)}: set up workers only, no parameter servers")
    first = [*tasks.get("chief", []), *tasks.get("master", [])]
    return Cluster((*first, *tasks.get("worker", [])), index + (len(first) if kind == "worker" else 0))


def _of_first_worker(environ: Mapping[str, str], count: str, rank: str, address: str) -> Cluster:
    numbers = [environ.get(name, "") for name in (count, rank)]
    if not all(number.isdecimal() for number in numbers):
        raise TrainingError(f"{count} is {numbers[0]!r} and {rank} {numbers[1]!r}; both must be whole numbers")
    workers = int(numbers[0])
    named = re.fullmatch(r"(?P<pod>[^.:]*-)0(?P<rest>(\.[^:]*)?:\d+)", address)
    if workers > 1 and not named:
        raise TrainingError(f"worker 0 is {address!r}; expected HOST:PORT, the host's first part ending in -0")
    addresses = tuple(f"{named['pod']}{number}{named['rest']}" if named else address for number in range(workers))
    return Cluster(addresses, int(numbers[1]))
