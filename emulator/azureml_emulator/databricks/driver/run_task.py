"""Run one task's Python as a Databricks driver does: a script, or the cells of a notebook.

The emulator starts it in the interpreter of `--spark-python`, with the path of the task's description. Standard library
only; PySpark is imported if the task uses it.
"""

import json
import linecache
import os
import shutil
import sys
import traceback
import types
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

SECONDS = 60.0
SPARK_NAMES = {"spark", "sc", "pyspark"}
NO_JAVA = (
    "Spark needs Java 17 or newer, and there is none here: install openjdk-17-jre-headless (Debian, Ubuntu), or set"
    " JAVA_HOME"
)


class NotebookExit(BaseException):
    """`dbutils.notebook.exit` was called; BaseException, because notebooks catch Exception."""


class NotEmulatedError(Exception):
    """A feature that the emulator's driver does not have."""


class Widgets:
    """`dbutils.widgets`: the run's parameters, and defaults that the notebook defines."""

    def __init__(self, values):
        self._values = values
        self._defaults = {}

    def text(self, name, defaultValue, *_, **__):  # noqa: N803 - Databricks' names
        """Define a widget with a default; what else it looks like is of no consequence."""
        self._defaults[name] = str(defaultValue)

    dropdown = combobox = multiselect = text

    def get(self, name):
        """Return a parameter, or the widget's default."""
        for values in (self._values, self._defaults):
            if name in values:
                return values[name]
        raise LookupError(f"InputWidgetNotDefined: No input widget named {name} is defined")

    getArgument = get  # noqa: N815

    def getAll(self):  # noqa: N802
        """Return all values by name."""
        return {**self._defaults, **self._values}

    def remove(self, name):
        """Forget a widget."""
        self._defaults.pop(name, None)

    def removeAll(self):  # noqa: N802
        """Forget all widgets."""
        self._defaults.clear()


class Secrets:
    """`dbutils.secrets`: asks the workspace, with a token that ends with the run."""

    def __init__(self, host, token):
        self._host = host
        self._token = token

    def get(self, scope, key):
        """Return a secret's value."""
        query = urllib.parse.urlencode({"scope": scope, "key": key})
        request = urllib.request.Request(  # noqa: S310 - the emulator's https address
            f"{self._host}/api/2.0/secrets/get?{query}", headers={"Authorization": f"Bearer {self._token}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise LookupError(json.load(error).get("message", str(error))) from None

    def getBytes(self, scope, key):  # noqa: N802
        """Return a secret's value as bytes."""
        return self.get(scope, key).encode()


class Notebook:
    """`dbutils.notebook`: ends the notebook with a value."""

    def exit(self, value=""):
        """End the notebook; the value is in the run's output."""
        raise NotebookExit(str(value))

    def run(self, *_, **__):
        """Refuse: notebooks that run others are not emulated."""
        raise NotEmulatedError("dbutils.notebook.run is not emulated: make the other notebook a task of its own")


class DbUtils:
    """`dbutils`, as far as it is emulated."""

    def __init__(self, task):
        self.widgets = Widgets(task["widgets"])
        self.secrets = Secrets(task["host"], task["run_token"])
        self.notebook = Notebook()

    def __getattr__(self, name):
        raise NotEmulatedError(f"dbutils.{name} is not emulated: only widgets, secrets.get and notebook.exit are")


def uses_spark(code):
    """Return whether code names `spark`, `sc` or PySpark, in its functions, too."""
    names = {name.split(".")[0] for name in code.co_names}
    inner = (constant for constant in code.co_consts if isinstance(constant, types.CodeType))
    return bool(names & SPARK_NAMES) or any(map(uses_spark, inner))


def display(shown=None, *_, **__):
    """Print what a notebook would show."""
    if hasattr(shown, "show"):
        shown.show()
    else:
        print(shown)  # noqa: T201 - a notebook's output


def run_notebook(task):
    """Run the cells of a notebook one after the other; Spark is there from the start, if one uses it."""
    names = {"__name__": "__main__", "dbutils": DbUtils(task), "display": display, "displayHTML": display}
    cells = [(f"<command {number}>", cell) for number, cell in enumerate(task["cells"], 1) if cell["magic"] != "md"]
    for name, cell in cells:
        if cell["magic"]:
            raise NotEmulatedError(
                f"{name}: the magic %{cell['magic']} is not emulated: only Python and %md are. Packages belong into the"
                " interpreter of --spark-python"
            )
        # For tracebacks.
        linecache.cache[name] = (len(cell["source"]), None, cell["source"].splitlines(keepends=True), name)
    programs = [compile(cell["source"], name, "exec") for name, cell in cells]
    if any(map(uses_spark, programs)):
        from pyspark.sql import SparkSession

        names["spark"] = SparkSession.builder.getOrCreate()
        names["sc"] = names["spark"].sparkContext
    for program in programs:
        exec(program, names)  # noqa: S102 - a user's notebook


def run_script(task):
    """Run a Python file as a program."""
    path = task["file"]
    sys.argv = [path, *task["parameters"]]
    sys.path.insert(0, str(Path(path).parent))
    # What it defines is found by name as a program's, by pickle for example; and it has no names of this file.
    program = types.ModuleType("__main__")
    program.__file__ = path
    sys.modules["__main__"] = program
    exec(compile(Path(path).read_bytes(), path, "exec"), program.__dict__)  # noqa: S102 - a user's program


def main(task_file, result_file):
    """Run the task and write its result."""
    task = json.loads(Path(task_file).read_text())
    # It has the run's token.
    Path(task_file).unlink()
    result = {}
    try:
        if task["kind"] == "notebook":
            run_notebook(task)
        else:
            run_script(task)
    except NotebookExit as end:
        result = {"value": str(end)}
    except SystemExit as end:
        if end.code not in (None, 0):
            result = {"error": f"SystemExit: {end.code}", "trace": traceback.format_exc()}
    except BaseException as error:  # noqa: BLE001 - whatever a user's program raises
        result = {"error": explain(error), "trace": own_trace(error)}
    if "trace" in result:
        sys.stderr.write(result["trace"])
    sys.stdout.flush()
    sys.stderr.flush()
    partial = Path(f"{result_file}.partial")
    partial.write_text(json.dumps(result))
    partial.rename(result_file)
    return 1 if "error" in result else 0


def own_trace(error):
    """Format a traceback without the frames of this file."""
    frames = error.__traceback__
    while frames and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames))


def explain(error):
    """Return an error in a line: what to install, or its type and text."""
    text = str(error)
    if isinstance(error, ModuleNotFoundError) and error.name == "pyspark":
        return (
            f"PySpark is not installed in {sys.executable}: install pyspark, pandas and pyarrow there, or start the"
            " emulator with --spark-python PYTHON, or with the variable AZUREML_EMULATOR_SPARK_PYTHON"
        )
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")
    if "JAVA_GATEWAY_EXITED" in text and not java:
        return NO_JAVA
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


if __name__ == "__main__":
    # Not sys.exit: a task's threads that still run would keep the process alive.
    code = main(sys.argv[1], sys.argv[2])
    sys.exit(code)
