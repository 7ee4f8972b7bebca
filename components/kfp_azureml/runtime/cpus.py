"""How many CPUs this process may use, which in a container are fewer than the machine has.

`os.cpu_count()` counts the node's, 64 perhaps, whatever the pod's limit is; TensorFlow, ONNX Runtime and NumPy's
OpenBLAS do the same.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")


def usable_cpus(root: Path = ROOT) -> int:
    """Return how many CPUs this process may use at once: its affinity, and its cgroups' quotas rounded up.

    Args:
        root: Where `proc` and `sys` are.
    """
    return max(1, min([len(_affinity()), *map(math.ceil, _quotas(root))]))


def usable_cores(root: Path = ROOT) -> int:
    """Return how many cores these CPUs are: hyperthreads of one core count once.

    Args:
        root: Where `proc` and `sys` are.
    """
    cores = {_core(root, cpu) for cpu in _affinity()}
    return min(usable_cpus(root), len(cores))


def one_blas_thread() -> None:
    """Let NumPy start no thread for each of the node's CPUs, 100 ms of CPU on two; call it before NumPy is imported.

    No step multiplies matrices with NumPy.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def _affinity() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(os.cpu_count() or 1))  # not Linux


def _core(root: Path, cpu: int) -> str:
    """Return what tells a CPU's core from the others: the list of the hyperthreads that it has."""
    siblings = root / f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"
    return _read(siblings) or str(cpu)


def _quotas(root: Path) -> Iterator[float]:
    """Find the quotas, in CPUs, of this process's cgroups and of those around them, of version 1 and 2."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        for mount in (controllers, "cpu") if controllers else ("", "unified"):
            top = root / "sys/fs/cgroup" / mount
            group = top / path.strip("/")
            # Inside a container the path is often the node's own, and the container's group is what is mounted.
            for folder in (group, *group.parents):
                yield from _quota(folder)
                if folder == top:
                    break


def _quota(group: Path) -> Iterator[float]:
    quota, _, period = _read(group / "cpu.max").partition(" ")
    if not quota:
        quota, period = _read(group / "cpu.cfs_quota_us"), _read(group / "cpu.cfs_period_us")
    if quota.isdecimal() and period.isdecimal():  # else it is "max" or -1
        yield int(quota) / int(period)


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
