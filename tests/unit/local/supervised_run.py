"""What test_supervisor.py starts: `supervised_run.py PIPELINE FOLDER`, as `kfp-azureml run` would supervise it."""

import os
import sys
from pathlib import Path

from kfp_azureml.errors import CancelledError
from kfp_azureml.local.processes import cancellable
from kfp_azureml.local.supervisor import supervise

pipeline, folder = map(Path, sys.argv[1:])
try:
    with cancellable():
        supervise(pipeline, {}, folder, os.environ, lambda step: print(step.name, step.state, flush=True))
except CancelledError:
    sys.exit(CancelledError.exit_code)
