"""Run one command and write the resources that it used to a JSON file. Usage: launcher.py RESULT COMMAND...

A separate program because a new process starts with its parent's memory in its peak RSS, and this one is small.
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
    # Includes the command's children that it waited for.
    _, status, usage = os.wait4(process.pid, 0)
    figures = {
        "exit_code": os.waitstatus_to_exitcode(status),
        "user": usage.ru_utime,
        "system": usage.ru_stime,
        "wall": time.monotonic() - started,
        # KiB on Linux, bytes on macOS. The maximum over the command's processes, not their sum.
        "peak_rss": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
    }
    Path(result).write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
