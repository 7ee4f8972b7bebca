"""What test_supervisor.py starts: `supervised_run.py PIPELINE FOLDER`, as `kfp-azureml run` would supervise it."""

import os
import sys
from pathlib import Path

from kfp_azureml.local.event_log import EventLog
from kfp_azureml.local.supervisor import supervise
from kfp_azureml.runtime.cancellation import cancellable
from kfp_azureml.runtime.errors import CancelledError

pipeline, folder = map(Path, sys.argv[1:])
try:
    with cancellable():
        supervise(pipeline, {}, EventLog(folder / "events.jsonl"), os.environ, lambda step: None)
except CancelledError:
    sys.exit(CancelledError.exit_code)
