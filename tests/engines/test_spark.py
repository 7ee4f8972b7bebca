"""Databricks tasks on Spark: the real databricks-sdk, an emulator, PySpark in local mode."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.service import jobs

from azureml_emulator import EmulatorInfo, running_emulator
from databricks_client import client_environment, connect, import_file, import_notebook, notebook_task, script_task
from processes import processes_of, wait_until

LIMIT = timedelta(minutes=5)
VOLUME = "/Volumes/main/default/images"
COUNT = """
import sys

from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
rows = spark.read.csv(sys.argv[1], header=True, inferSchema=True)
rows.groupBy("label").count().orderBy("label").write.mode("overwrite").parquet(sys.argv[2])
print(spark.version, spark.sparkContext.master)
"""


@pytest.fixture(scope="module", autouse=True)
def spark_python() -> None:
    assert os.environ.get("AZUREML_EMULATOR_SPARK_PYTHON"), "run make test-engines, which installs PySpark"


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory, spark_python: None) -> Iterator[EmulatorInfo]:
    with running_emulator(tmp_path_factory.mktemp("an emulator")) as emulator:  # Spark's scripts meet a space
        yield emulator


@pytest.fixture(scope="module")
def client(emulator: EmulatorInfo) -> Iterator[WorkspaceClient]:
    with client_environment(emulator):
        yield connect()


def run(client: WorkspaceClient, *tasks: jobs.SubmitTask) -> jobs.Run:
    return client.jobs.submit(run_name="test", tasks=list(tasks)).result(timeout=LIMIT)


def output(client: WorkspaceClient, run: jobs.Run) -> jobs.RunOutput:
    assert run.tasks
    return client.jobs.get_run_output(run.tasks[0].run_id or 0)


def test_a_script_reads_and_writes_files_of_a_volume(client: WorkspaceClient) -> None:
    client.files.upload(f"{VOLUME}/in.csv", BytesIO(b"label,size\nshirt,1\nbag,2\nshirt,3\n"))
    import_file(client, "/Shared/count.py", COUNT)

    counted = run(client, script_task("/Workspace/Shared/count.py", f"{VOLUME}/in.csv", f"dbfs:{VOLUME}/counts"))

    assert counted.state
    assert counted.state.result_state is jobs.RunResultState.SUCCESS, output(client, counted).error_trace
    assert "4.0" in (output(client, counted).logs or "")
    names = [entry.name or "" for entry in client.files.list_directory_contents(f"{VOLUME}/counts")]
    assert "_SUCCESS" in names
    assert any(name.endswith(".parquet") for name in names)
    import_notebook(
        client,
        "/Shared/read",
        "rows = spark.read.parquet(dbutils.widgets.get('counts')).collect()",
        "dbutils.notebook.exit(str({row.label: row['count'] for row in rows}))",
    )
    read = run(client, notebook_task("/Shared/read", counts=f"{VOLUME}/counts"))
    result = output(client, read).notebook_output
    assert result
    assert result.result == "{'bag': 1, 'shirt': 2}"


def test_a_notebook_has_spark_and_functions_that_run_on_executors(client: WorkspaceClient) -> None:
    import_notebook(
        client,
        "/Shared/functions",
        "from pyspark.sql.functions import udf\ndef double(x):\n    return 2 * x\ndoubled = udf(double, 'long')",
        "total = spark.range(10).select(doubled('id').alias('id')).groupBy().sum('id').first()[0]\n"
        "ones = sc.parallelize(range(4)).map(lambda x: 1).sum()",
        "dbutils.notebook.exit((total, ones))",
    )

    left = output(client, run(client, notebook_task("/Shared/functions")))

    assert left.error is None, left.error_trace
    assert left.notebook_output
    assert left.notebook_output.result == "(90, 4)"


def test_a_failure_in_spark_has_its_trace(client: WorkspaceClient) -> None:
    import_notebook(client, "/Shared/failing", "a = 1", "spark.range(3).select('nothing').collect()")

    failed = run(client, notebook_task("/Shared/failing"))

    assert failed.state
    assert failed.state.result_state is jobs.RunResultState.FAILED
    found = output(client, failed)
    assert (found.error or "").startswith("AnalysisException: [UNRESOLVED_COLUMN")
    assert "spark.range(3).select('nothing').collect()" in (found.error_trace or "")


def test_cancelling_ends_the_java_process(client: WorkspaceClient, emulator: EmulatorInfo) -> None:
    import_notebook(client, "/Shared/slow", "spark.range(1).count()\nimport time\ntime.sleep(600)")
    running = client.jobs.submit(run_name="slow", tasks=[notebook_task("/Shared/slow")])
    folder = Path(emulator.state_dir) / "databricks" / "running"
    wait_until(lambda: any("java" in command_line(pid) for pid in processes_of(folder)))

    cancelled = client.jobs.cancel_run(running.run_id).result(timeout=LIMIT)

    assert cancelled.state
    assert cancelled.state.result_state is jobs.RunResultState.CANCELED
    assert processes_of(folder) == []


def test_a_killed_emulator_leaves_no_java_process(tmp_path: Path) -> None:
    with running_emulator(tmp_path) as emulator, client_environment(emulator):
        client = connect()
        import_notebook(client, "/Shared/slow", "spark.range(1).count()\nimport time\ntime.sleep(600)")
        client.jobs.submit(run_name="slow", tasks=[notebook_task("/Shared/slow")])
        folder = Path(emulator.state_dir) / "databricks" / "running"
        wait_until(lambda: any("java" in command_line(pid) for pid in processes_of(folder)))
        os.kill(emulator.pid, 9)
        wait_until(lambda: not processes_of(folder))

    with running_emulator(tmp_path) as emulator, client_environment(emulator):
        (lost,) = connect().jobs.list_runs()
        assert lost.state
        assert lost.state.life_cycle_state is jobs.RunLifeCycleState.INTERNAL_ERROR
        assert "The driver was lost" in (lost.state.state_message or "")


def test_a_missing_java_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "no-java"))
    with running_emulator() as emulator, client_environment(emulator):
        client = connect()
        import_notebook(client, "/Shared/count", "spark.range(3).count()")
        failed = output(client, run(client, notebook_task("/Shared/count")))
        import_notebook(client, "/Shared/plain", "dbutils.notebook.exit('no Spark, no Java')")
        plain = output(client, run(client, notebook_task("/Shared/plain")))

    assert failed.error == (
        "Spark needs Java 17 or newer, and there is none here: install openjdk-17-jre-headless (Debian, Ubuntu), or set"
        " JAVA_HOME"
    )
    assert plain.notebook_output
    assert plain.notebook_output.result == "no Spark, no Java"


def command_line(pid: int) -> str:
    """Return a process's command; empty if it has just ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""
