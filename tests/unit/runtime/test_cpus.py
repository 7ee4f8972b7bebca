"""How many CPUs a process may use: affinity and cgroup quotas, on machines that are made of files here."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kfp_azureml.runtime import cpus
from kfp_azureml.runtime.cpus import usable_cores, usable_cpus

V2 = {"proc/self/cgroup": "0::/\n"}
V1 = {"proc/self/cgroup": "4:memory:/x\n3:cpu,cpuacct:/kubepods/pod1\n1:name=systemd:/\n0::/\n"}
HYBRID = {"proc/self/cgroup": "2:cpu:/\n0::/\n"}


def machine(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node with 64 CPUs, whatever this machine has."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize(
    ("files", "usable"),
    [
        ({}, 64),
        ({**V2, "sys/fs/cgroup/cpu.max": "max 100000\n"}, 64),
        ({**V2, "sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2),
        ({**V2, "sys/fs/cgroup/cpu.max": "150000 100000\n"}, 2),
        ({**V2, "sys/fs/cgroup/cpu.max": "10000 100000\n"}, 1),
        ({**V2, "sys/fs/cgroup/cpu.max": "12800000 100000\n"}, 64),
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/b/cpu.max": "max 100000\n",
                "sys/fs/cgroup/a/cpu.max": "300000 100000\n",
            },
            3,
        ),
        ({"proc/self/cgroup": "0::/../../other\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2),
        (
            {
                **V1,
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "200000\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            2,
        ),
        (
            {
                **V1,
                "sys/fs/cgroup/cpu/kubepods/pod1/cpu.cfs_quota_us": "50000\n",
                "sys/fs/cgroup/cpu/kubepods/pod1/cpu.cfs_period_us": "100000\n",
            },
            1,
        ),
        (
            {**HYBRID, "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"},
            64,
        ),
        ({**HYBRID, "sys/fs/cgroup/unified/cpu.max": "400000 100000\n"}, 4),
        ({**V2, "sys/fs/cgroup/cpu.max": "nonsense"}, 64),
    ],
)
def test_the_quota_counts_not_the_node(tmp_path: Path, files: dict[str, str], usable: int) -> None:
    assert usable_cpus(machine(tmp_path, files)) == usable


def test_the_affinity_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 5, 9}, raising=False)
    assert usable_cpus(tmp_path) == 3
    files = {**V2, "sys/fs/cgroup/cpu.max": "800000 100000\n"}
    assert usable_cpus(machine(tmp_path, files)) == 3


def test_hyperthreads_of_a_core_are_one_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    siblings = {
        f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list": f"{cpu % 2},{cpu % 2 + 2}\n"
        for cpu in range(4)
    }
    machine(tmp_path, siblings)
    for affinity, cores in (({0, 1, 2, 3}, 2), ({0, 2}, 1), ({0, 1}, 2), ({3}, 1)):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, cpus=affinity: cpus, raising=False)
        assert usable_cores(tmp_path) == cores
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    machine(tmp_path, {**V2, "sys/fs/cgroup/cpu.max": "100000 100000\n"})
    assert usable_cores(tmp_path) == 1


def test_where_there_is_no_affinity_the_machine_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert (usable_cpus(tmp_path), usable_cores(tmp_path)) == (6, 6)


TRAIN = """
import os, sys
from kfp_azureml.runtime import cpus
os.cpu_count = lambda: 64
os.sched_getaffinity = lambda _: set(range(64))
cpus.usable_cores.__defaults__ = (cpus.Path(sys.argv[1]),)
cpus.usable_cpus.__defaults__ = (cpus.Path(sys.argv[1]),)
from kfp_azureml.runtime.step import run_step
from kfp_azureml.steps.train.tensorflow_import import import_tensorflow
with run_step("train"):
    import_tensorflow()
    print(*(os.environ[name] for name in ("TF_NUM_INTEROP_THREADS", "TF_NUM_INTRAOP_THREADS", "OPENBLAS_NUM_THREADS")))
    print(sum(line.startswith("Threads:") and int(line.split()[1]) for line in open("/proc/self/status")))
"""


def test_train_in_a_pod_with_two_cpus_starts_threads_for_two(tmp_path: Path) -> None:
    pod = machine(tmp_path, {**V2, "sys/fs/cgroup/cpu.max": "200000 100000\n"})
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, str(pod)],
        capture_output=True,
        text=True,
        timeout=600,
        env=environment,
        check=True,
    )
    settings, threads = done.stdout.splitlines()[-2:]
    assert settings == "2 2 1"
    assert int(threads) < 64


def test_this_machine_is_read() -> None:
    assert 1 <= usable_cores() <= usable_cpus() <= (os.cpu_count() or 1)
    assert Path("/") == cpus.ROOT
