"""The configuration of Spark in a task's folder: local mode, on this machine's loopback only."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

# Two cores; a task that fails is tried again, as on a cluster: `local[2]` would not.
MASTER = "local[2,4]"
LOG_LEVEL = """rootLogger.level = warn
rootLogger.appenderRef.stderr.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss} %p %c{1}: %m%n%ex
"""


def configure_spark(folder: Path, python: Path, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Write Spark's configuration into a folder; return the variables that PySpark needs to find it."""
    configuration, scratch = folder / "spark-conf", folder / "spark-local"
    for each in (configuration, scratch):
        each.mkdir()
    settings = {
        "spark.master": MASTER,
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.sql.shuffle.partitions": "4",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.ui.showConsoleProgress": "false",
        # Derby writes into the working directory, Java into /tmp. Quoted, because the path may have spaces.
        "spark.driver.extraJavaOptions": f'"-Dderby.system.home={scratch}" "-Djava.io.tmpdir={scratch}"',
    }
    lines = "".join(f"{name} {value}\n" for name, value in settings.items())
    (configuration / "spark-defaults.conf").write_text(lines)
    (configuration / "log4j2.properties").write_text(LOG_LEVEL)
    return {
        "SPARK_CONF_DIR": str(configuration),
        "SPARK_LOCAL_DIRS": str(scratch),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "TMPDIR": str(scratch),
        "PYSPARK_PYTHON": str(python),
        "PYSPARK_DRIVER_PYTHON": str(python),
        **_java_home(environ),
    }


def _java_home(environ: Mapping[str, str]) -> dict[str, str]:
    """Return where Java is, by the emulator's own environment; a task's PATH has only the system's folders."""
    if "JAVA_HOME" in environ:
        return {"JAVA_HOME": environ["JAVA_HOME"]}
    java = shutil.which("java", path=environ.get("PATH"))
    return {"JAVA_HOME": str(Path(java).resolve().parent.parent)} if java else {}
