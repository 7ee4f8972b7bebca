"""Number of CPUs that this process may use, with a container's limit taken into account.

`os.cpu_count()` returns the node's CPUs whatever the pod's limit is, and so do TensorFlow, ONNX Runtime and NumPy's
OpenBLAS.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")


def usable_cpus(root: Path = ROOT) -> int:
    """Return the number of CPUs allowed by affinity and by cgroup quotas, which are rounded up.

    Args:
        root: Folder that contains `proc` and `sys`.
    """
    return max(1, min([len(_affinity()), *map(math.ceil, _quotas(root))]))


def usable_cores(root: Path = ROOT) -> int:
    """Return the number of usable physical cores; the hyperthreads of a core count once.

    Args:
        root: Folder that contains `proc` and `sys`.
    """
    cores = {_core(root, cpu) for cpu in _affinity()}
    return min(usable_cpus(root), len(cores))


def one_blas_thread() -> None:
    """Limit NumPy's OpenBLAS to one thread; call it before NumPy is imported.

    Starting a thread for each CPU of the node costs 100 ms of CPU on two CPUs, and no step multiplies matrices with
    NumPy.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def _affinity() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(os.cpu_count() or 1))  # not Linux


def _core(root: Path, cpu: int) -> str:
    """Return a text that identifies a CPU's core: the list of its hyperthreads."""
    siblings = root / f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"
    return _read(siblings) or str(cpu)


def _quotas(root: Path) -> Iterator[float]:
    """Yield the quotas, in CPUs, of this process's cgroups and their parents, for cgroup versions 1 and 2."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        for mount in (controllers, "cpu") if controllers else ("", "unified"):
            top = root / "sys/fs/cgroup" / mount
            group = top / path.strip("/")
            # Inside a container the path is often that on the node, while the container's group is mounted at the top.
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
