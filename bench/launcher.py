"""Starts one command and tells what it used: run as a program of its own, so that nothing else is in the figures.

The kernel counts the memory of whoever starts a process as that process's first; this one is small. Usage:
launcher.py RESULT COMMAND...; RESULT becomes a JSON file. It imports nothing but the standard library.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path


def main() -> None:
    """Run the command to its end, with the streams of this process."""
    result, *command = sys.argv[1:]
    started = time.monotonic()
    process = subprocess.Popen(command)
    # What the command's own children used is in it, if it waited for them.
    _, status, usage = os.wait4(process.pid, 0)
    figures = {
        "exit_code": os.waitstatus_to_exitcode(status),
        "user": usage.ru_utime,
        "system": usage.ru_stime,
        "wall": time.monotonic() - started,
        # Linux counts KiB, macOS bytes. The largest process of the command's, not their sum.
        "peak_rss": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
    }
    Path(result).write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
