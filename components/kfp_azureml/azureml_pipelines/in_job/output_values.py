"""Pass the values of a job's output parameters to Azure ML, for the inputs of later jobs.

Azure ML reads them from a file at the output's path or from a property of the run; Microsoft's examples and tools use
one each. Both are written.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

from job_text import encode

PROPERTY = "azureml.pipeline.control"
PROPERTY_CHARACTERS = 1000
"""Maximum length of a property's value in Azure ML."""
TIMEOUT_SECONDS = 30


def write_values(values: dict[str, object], paths: dict[str, str]) -> None:
    """Write the files and the property.

    Args:
        values: Values of the output parameters by name.
        paths: Paths of the outputs by name, as set by Azure ML.
    """
    primitives = {name: _primitive(value) for name, value in values.items()}
    for name, value in primitives.items():
        path = Path(paths[name])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(value), encoding="utf-8")
    if primitives:
        _set_property(primitives)


def _primitive(value: object) -> object:
    """Return a value as an Azure ML literal; lists and objects are JSON."""
    if isinstance(value, (bool, int, float)):
        return value
    return encode(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _set_property(values: dict[str, object]) -> None:
    """Set the run's property if the job has an endpoint for it; only warn after a failure."""
    content = json.dumps(values)
    request = _request({PROPERTY: content})
    if request is None:
        return
    if len(content) > PROPERTY_CHARACTERS:
        print(f"Run property {PROPERTY}: not set, since {len(content)} characters exceed {PROPERTY_CHARACTERS}")
        return
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS):  # noqa: S310 - always https
            pass
    except (urllib.error.URLError, TimeoutError) as error:
        print(f"Run property {PROPERTY}: not set ({error}); the values are in the outputs' files", file=sys.stderr)


def _request(properties: dict[str, str]) -> urllib.request.Request | None:
    """Return the request that sets properties of this job's run; None outside an Azure ML job."""
    environ = os.environ
    endpoint = environ.get("AZUREML_RUN_HISTORY_SERVICE_ENDPOINT") or environ.get("AZUREML_SERVICE_ENDPOINT", "")
    known = [environ.get(f"AZUREML_{what}", "") for what in ("WORKSPACE_SCOPE", "EXPERIMENT_ID", "RUN_ID", "RUN_TOKEN")]
    if not endpoint.startswith("https://") or not all(known):
        return None
    workspace, experiment, run, token = known
    return urllib.request.Request(  # noqa: S310 - https
        f"{endpoint.rstrip('/')}/history/v1.0{workspace}/experimentids/{experiment}/runs/{run}",
        data=json.dumps({"runId": run, "properties": properties}).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        method="PATCH",
    )
