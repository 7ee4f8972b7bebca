"""Jobs: a command and a pipeline."""

from play import Play, again, delete, get, missing, put
from plays.assets import SHORT_PATH
from situation import REFUSED

COMPUTE = "{ws}/computes/cpu-cluster"
COMMAND = {
    "jobType": "Command",
    "displayName": "job",
    "experimentName": "cmp",
    "isArchived": False,
    "properties": {},
    "tags": {"t": "v"},
    "computeId": COMPUTE,
    "command": "sleep 60",
    "environmentId": "{ws}/environments/cmpenv/versions/1",
    "environmentVariables": {},
    "identity": {"identityType": "AMLToken"},
    "inputs": {"i": {"jobInputType": "uri_folder", "uri": SHORT_PATH}},
    "outputs": {},
}
NODE = {
    "name": "a",
    "type": "command",
    "componentId": "{ws}/components/cmpcomp/versions/1",
    "_source": "YAML.COMPONENT",
    "inputs": {},
    "outputs": {},
}
PIPELINE = {
    "jobType": "Pipeline",
    "experimentName": "cmp",
    "displayName": "p",
    "computeId": COMPUTE,
    "isArchived": False,
    "properties": {},
    "tags": {},
    "inputs": {},
    "outputs": {},
    "settings": {"default_compute": COMPUTE, "_source": "YAML.JOB"},
    "jobs": {"a": NODE},
}
CREATE = put("/jobs/cmp-job", {"properties": COMMAND})
PLAYS: tuple[Play, ...] = (
    missing("/jobs/cmp-job"),
    CREATE,
    again(CREATE),
    get("/jobs/cmp-job"),
    get("/jobs", listViewType="ActiveOnly"),
    Play("POST", "/jobs/cmp-job/cancel", follow=True),
    put("/jobs/cmp-job2", {"properties": {**COMMAND, "computeId": "{ws}/computes/nocluster"}}, situation=REFUSED),
    put("/jobs/cmp-pipe", {"properties": PIPELINE}),
    Play("POST", "/jobs/cmp-pipe/cancel", follow=True),
    delete("/jobs/cmp-job"),
)
