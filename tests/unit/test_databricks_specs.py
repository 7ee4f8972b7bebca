"""Old specs become tasks of today's components; secrets and unknown fields are refused."""

import inspect
import json

import pytest
import yaml
from kfp import compiler, dsl

from kfp_azureml import components
from kfp_azureml.components import (
    databricks_create_cluster,
    databricks_create_job,
    databricks_create_secret_scope,
    databricks_import_workspace_item,
    databricks_run_job,
    databricks_submit_run,
    databricks_upload_file,
)
from kfp_azureml.databricks_specs import FURTHER_FIELDS, from_file_name, from_json_spec
from kfp_azureml.runtime.errors import PipelineError

CLUSTER = {"spark_version": "5.3.x-scala2.11", "node_type_id": "Standard_D3_v2", "num_workers": 2}
RUN = {
    "run_name": "old",
    "new_cluster": CLUSTER,
    "libraries": [{"jar": "dbfs:/my-jar.jar"}, {"maven": {"coordinates": "org.jsoup:jsoup:1.7.2"}}],
    "spark_jar_task": {"main_class_name": "com.databricks.ComputeModels"},
    "timeout_seconds": 600,
}


def compiled(tmp_path, make):
    """Return the constant arguments of a pipeline's task, and the platform's settings of its executor."""

    @dsl.pipeline(name="specs")
    def pipeline():
        make()

    compiler.Compiler().compile(pipeline, str(tmp_path / "p.yaml"))
    document, *platform = yaml.safe_load_all((tmp_path / "p.yaml").read_text())
    (task,) = document["root"]["dag"]["tasks"].values()
    given = task.get("inputs", {}).get("parameters", {})
    arguments = {name: value["runtimeValue"]["constant"] for name, value in given.items()}
    return arguments, platform[0]["platforms"]["kubernetes"]["deploymentSpec"]["executors"] if platform else {}


def test_a_run_spec_becomes_arguments_and_named_arguments_win(tmp_path):
    arguments, _ = compiled(tmp_path, lambda: from_json_spec(databricks_submit_run, json.dumps(RUN), run_name="new"))
    assert arguments == {**RUN, "run_name": "new"}


def test_a_file_may_be_yaml_and_fields_without_a_parameter_travel_in_spec(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump({**RUN, "run_as": {"user_name": "a@b.c"}}))
    arguments, _ = compiled(tmp_path, lambda: from_file_name(databricks_submit_run, path))
    assert arguments == {**RUN, "spec": {"run_as": {"user_name": "a@b.c"}}}


@pytest.mark.parametrize(
    ("component", "old", "new"),
    [
        (databricks_create_job, {"name": "j", **RUN, "max_retries": 1}, {"job_name": "j", "max_retries": 1}),
        (databricks_create_cluster, {"cluster_name": "c", **CLUSTER}, {"cluster_name": "c", **CLUSTER}),
        (databricks_run_job, {"job_name": "j", "jar_params": ["a"]}, {"job_name": "j", "jar_params": ["a"]}),
        (
            databricks_import_workspace_item,
            {"content": "cHJp", "path": "/Users/a/b", "language": "SCALA", "format": "SOURCE"},
            {"content": "cHJp", "path": "/Users/a/b", "language": "SCALA", "file_format": "SOURCE"},
        ),
        (databricks_upload_file, {"data": "cHJp", "path": "/data/foo.txt"}, {"path": "dbfs:/data/foo.txt"}),
        (databricks_upload_file, {"data": "cHJp", "path": "/Volumes/a/b/c/d"}, {"path": "/Volumes/a/b/c/d"}),
    ],
)
def test_the_specs_of_the_other_operations(tmp_path, component, old, new):
    old = {name: value for name, value in old.items() if name != "run_name"}
    arguments, _ = compiled(tmp_path, lambda: from_json_spec(component, json.dumps(old)))
    assert arguments.items() >= new.items()


def test_a_scopes_secrets_come_from_kubernetes(tmp_path):
    reference = {"secret_key_ref": {"name": "mysecret", "key": "username"}}
    spec = {"initial_manage_permission": "users", "secrets": [{"key": "ref-secret", "value_from": reference}]}
    arguments, executors = compiled(
        tmp_path, lambda: from_json_spec(databricks_create_secret_scope, json.dumps(spec), scope_name="s")
    )
    variable = "DATABRICKS_SECRET_REF_SECRET"
    assert arguments == {"scope_name": "s", "initial_manage_principal": "users", "secrets": {"ref-secret": variable}}
    ((secret,),) = [settings["secretAsEnv"] for settings in executors.values()]
    assert secret["keyToEnv"] == [{"envVar": variable, "secretKey": "username"}]
    assert secret["secretName"] == "mysecret"


@pytest.mark.parametrize(
    ("component", "spec", "message"),
    [
        (databricks_submit_run, {"notbook_task": {}}, "notbook_task: unknown to databricks_submit_run"),
        (databricks_submit_run, {"job_name": "j"}, "job_name: runs an existing job: use databricks_run_job"),
        (databricks_submit_run, {"idempotency_token": "1234567890"}, "idempotency_token: leave it out"),
        (databricks_submit_run, [], "expected an object"),
        (databricks_create_secret_scope, {"secrets": [{"key": "k", "string_value": "hello"}]}, "secrets: k: a value"),
        (databricks_create_secret_scope, {"secrets": [{"key": "k", "byte_value": "aGVs"}]}, "secrets: k: a value"),
        (
            databricks_create_cluster,
            {"spark_conf": {"fs.azure.account.key.x.blob.core.windows.net": "c2VjcmV0LWtleQ=="}},
            "spark_conf.fs.azure.account.key.x.blob.core.windows.net: a secret",
        ),
        (databricks_submit_run, {"new_cluster": {"spark_env_vars": {"DB_PASSWORD": "hunter2hunter2"}}}, "a secret"),
    ],
)
def test_secrets_and_unknown_fields_are_refused_by_name(tmp_path, component, spec, message):
    with pytest.raises(PipelineError, match=message) as caught:
        compiled(tmp_path, lambda: from_json_spec(component, json.dumps(spec)))
    assert "hunter2" not in str(caught.value)
    assert "c2VjcmV0" not in str(caught.value)


def test_references_to_a_secret_scope_are_no_secrets(tmp_path):
    conf = {"fs.azure.account.key.x": "{{secrets/storage/key}}"}
    arguments, _ = compiled(
        tmp_path, lambda: from_json_spec(databricks_create_cluster, json.dumps({"spark_conf": conf}))
    )
    assert arguments["spark_conf"] == conf


@pytest.mark.parametrize("name", FURTHER_FIELDS)
def test_every_field_of_the_api_has_a_parameter_or_travels_in_spec(name):
    from databricks.sdk.service.compute import ClustersAPI
    from databricks.sdk.service.jobs import JobsAPI

    method = {
        "databricks_submit_run": JobsAPI.submit,
        "databricks_create_job": JobsAPI.create,
        "databricks_run_job": JobsAPI.run_now,
        "databricks_create_cluster": ClustersAPI.create,
    }[name]
    api = set(inspect.signature(method).parameters) - {"self", "idempotency_token"}
    inputs = set(getattr(components, name).component_spec.inputs)
    known = {"name" if one == "job_name" and name == "databricks_create_job" else one for one in inputs}
    assert api - known == set(FURTHER_FIELDS[name])


def test_a_file_that_is_missing_is_one_line(tmp_path):
    with pytest.raises(PipelineError, match="missing; expected a JSON or YAML file with a spec"):
        from_file_name(databricks_submit_run, tmp_path / "none.json")
