"""Check this machine: processor, memory, disk, limits, network interface."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import socket
import sys
from pathlib import Path

from kfp_azureml.local.prerequisites import MIN_OPEN_FILES, OPEN_FILES
from kfp_azureml.runtime.checks import Outcome, failed, passed, skipped, warning

PYTHONS = ((3, 11), (3, 13))
"""The oldest and newest supported version (docs/versions.md)."""
MIN_DISK_BYTES = 1 << 30
"""Free space for a run: 60 MB in runs/, the data, and the emulator's environments."""
MIN_INODES = 20_000
"""Free inodes for a run: an environment of a deployment has about 10,000 files."""
MIN_MEMORY_BYTES = 1 << 30
"""Memory that `train` with Fashion-MNIST and the emulator need together."""
ENOUGH_MEMORY_BYTES = 2 << 30
_CPU_INFO = Path("/proc/cpuinfo")
_MEMORY_INFO = Path("/proc/meminfo")
_MEMORY_LIMIT = Path("/sys/fs/cgroup/memory.max")
_GIB = 1 << 30


def check_python() -> Outcome:
    """Check the version of this interpreter."""
    oldest, newest = PYTHONS
    version = sys.version_info[:2]
    text = platform.python_version()
    if not oldest <= version <= newest:
        supported = f"{oldest[0]}.{oldest[1]} to {newest[0]}.{newest[1]}"
        return failed(f"Python {text} is not supported: use {supported}", "make setup PYTHON=/path/to/python3.12")
    return passed(f"Python {text}")


def check_cpu(info: Path = _CPU_INFO, machine: str = "") -> Outcome:
    """Check that the processor has AVX, which TensorFlow's wheels for x86_64 require."""
    if (machine or platform.machine()) not in ("x86_64", "amd64") or not info.is_file():
        return passed(machine or platform.machine())
    flags = next((line for line in info.read_text(errors="replace").splitlines() if line.startswith("flags")), "")
    if flags and "avx" not in flags.split():
        return failed(
            "the processor has no AVX, so TensorFlow ends with 'Illegal instruction'",
            "use another machine, or in a virtual machine pass the host's processor through (-cpu host)",
        )
    return passed("the processor has AVX")


def check_memory(info: Path = _MEMORY_INFO, limit: Path = _MEMORY_LIMIT) -> Outcome:
    """Check the available memory, within the limit of this container."""
    if not info.is_file():
        return skipped("not checked: this system does not list its memory")
    values = dict(line.split(":", 1) for line in info.read_text().splitlines() if ":" in line)
    available = int(values.get("MemAvailable", "0 kB").split()[0]) * 1024
    limited = limit.read_text().strip() if limit.is_file() else "max"
    size = min(available, int(limited)) if limited.isdecimal() else available
    text = f"{size / _GIB:.1f} GiB of memory available"
    mend = "end other programs, or raise the memory limit of this container"
    if size < MIN_MEMORY_BYTES:
        return failed(f"{text}: a run needs {MIN_MEMORY_BYTES / _GIB:.0f} GiB", mend)
    if size < ENOUGH_MEMORY_BYTES:
        return warning(f"{text}: enough for Fashion-MNIST, not for larger images", mend)
    return passed(text)


def check_disk(folder: Path) -> Outcome:
    """Check the free space and inodes of a folder's file system."""
    place = existing_parent(folder)
    free = shutil.disk_usage(place).free
    inodes = os.statvfs(place)
    mend = "make clean, or another folder with --runs"
    if free < MIN_DISK_BYTES:
        return failed(f"{free / _GIB:.2f} GiB free in {place}: a run needs {MIN_DISK_BYTES / _GIB:.0f} GiB", mend)
    if inodes.f_files and inodes.f_favail < MIN_INODES:
        return failed(f"{inodes.f_favail} inodes free in {place}: a run needs {MIN_INODES}", mend)
    return passed(f"{free / _GIB:.1f} GiB free in {place}")


def check_open_files() -> Outcome:
    """Check the limit of open files; a run raises the soft limit itself."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < MIN_OPEN_FILES:
        return failed(
            f"the limit of open files is {hard}: a run needs {MIN_OPEN_FILES}",
            f"ulimit -n {OPEN_FILES} (as root, or in /etc/security/limits.conf)",
        )
    return passed("unlimited" if hard == resource.RLIM_INFINITY else f"at most {hard} open files")


def check_loopback() -> Outcome:
    """Check that this process can listen on the loopback interface and connect to it."""
    try:
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen()
            socket.create_connection(server.getsockname(), timeout=5.0).close()
    except OSError as error:
        return failed(
            f"cannot listen on and connect to 127.0.0.1 ({error.strerror or error})",
            "ip link set lo up, and allow connections to 127.0.0.1 in the firewall or sandbox",
        )
    return passed("127.0.0.1 can be used")


def existing_parent(folder: Path) -> Path:
    """Return a folder, or its nearest parent that exists."""
    folder = folder.absolute()
    return next(path for path in (folder, *folder.parents) if path.is_dir())
