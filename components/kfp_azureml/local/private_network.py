"""A network for some processes only, in which nobody else can reach them: a namespace of Linux.

As a program, it holds such a network (`hold`), or runs a command in it (`join PID COMMAND...`). Then it imports only
the standard library.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# linux/sched.h, linux/sockios.h, linux/if.h
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1


@contextmanager
def private_network() -> Iterator[tuple[str, ...]]:
    """Create a network with only a loopback interface, until the block ends.

    Yields:
        The words before a command that run it there; none where the kernel or a container forbids it.
    """
    from kfp_azureml.local.environment_variables import common_variables

    program = (sys.executable, "-I", "-S", __file__)
    with subprocess.Popen(
        [*program, "hold"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=common_variables(),
        text=True,
    ) as holder:
        assert holder.stdout is not None  # noqa: S101 - asked for above
        is_there = bool(holder.stdout.readline())
        # The holder ends with its stdin, which `Popen` closes, or the kernel if this process is killed.
        yield (*program, "join", str(holder.pid)) if is_there else ()


def _hold() -> None:
    user, group = os.geteuid(), os.getegid()
    try:
        _call("unshare", _CLONE_NEWNET)  # as root, who must stay the same user to read other users' files
    except PermissionError:
        _call("unshare", _CLONE_NEWUSER | _CLONE_NEWNET)
        for name, line in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            Path("/proc/self", name).write_text(line)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))
    print("ready", flush=True)  # noqa: T201 - read by the function above
    sys.stdin.read()


def _join(pid: str, command: list[str]) -> None:
    for kind in ("user", "net"):
        theirs = Path("/proc", pid, "ns", kind)
        if not theirs.samefile(Path("/proc/self/ns", kind)):
            with theirs.open() as stream:
                _call("setns", stream.fileno(), 0)
    try:
        os.execvp(command[0], command)  # noqa: S606 - no shell is wanted
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


def _call(name: str, *arguments: int) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    if sys.argv[1] == "hold":
        _hold()
    else:
        _join(sys.argv[2], sys.argv[3:])
