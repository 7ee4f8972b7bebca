"""Read how many processes a command job has, and tell each of them about the others."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from azureml_emulator.arm.errors import bad_request, not_emulated
from azureml_emulator.store import Document

MAX_WORKERS = 16
"""More processes than a laptop runs."""


def read_workers(distribution: Document, resources: Document) -> int:
    """Return the number of workers of a command job (camel case) or node (snake case).

    Args:
        distribution: Its distribution; empty for one process.
        resources: Its resources, whose instance count is the default.

    Raises:
        ArmError: 400, if a count is invalid; 501, for another framework than TensorFlow, or parameter servers.
    """
    if not distribution:
        return 1
    kind = distribution.get("distributionType") or distribution.get("distribution_type") or distribution.get("type")
    if str(kind).lower() != "tensorflow":
        raise not_emulated(f"a distribution of type {kind!r}: only TensorFlow")
    if _count(distribution, "parameterServerCount", "parameter_server_count", default=0):
        raise not_emulated("parameter servers of a TensorFlow distribution: only workers")
    instances = _count(resources, "instanceCount", "instance_count", default=1)
    workers = _count(distribution, "workerCount", "worker_count", default=instances)
    if not 1 <= workers <= MAX_WORKERS:
        raise bad_request(f"A TensorFlow distribution must have 1 to {MAX_WORKERS} workers here, not {workers}.")
    return workers


@contextmanager
def tf_configs(workers: int) -> Iterator[list[dict[str, str]]]:
    """Yield the environment variables by which TensorFlow's workers find each other, for each of them.

    On the service each worker is a node of its own, and all use port 2222.
    """
    if workers == 1:
        yield [{}]
        return
    with ExitStack() as stack:
        addresses = []
        for _ in range(workers):
            # A socket that does not listen keeps the port from other programs, while TensorFlow can share it.
            holder = stack.enter_context(socket.socket())
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            holder.bind(("127.0.0.1", 0))
            addresses.append(f"127.0.0.1:{holder.getsockname()[1]}")
        yield [
            {
                "TF_CONFIG": json.dumps(
                    {
                        "cluster": {"worker": addresses},
                        "task": {"type": "worker", "index": index},
                        "environment": "cloud",
                    }
                ),
                "TF_GRPC_REUSE_PORT": "1",
            }
            for index in range(workers)
        ]


def _count(given: Document, *names: str, default: int) -> int:
    value = next((given[name] for name in names if given.get(name) is not None), default)
    try:
        return int(str(value))
    except ValueError:
        raise bad_request(f"{names[0]!r} must be a whole number, not {value!r}.") from None
