"""A user's program: MLflow with Azure ML's plugin tracks runs, registers models and downloads them.

It runs in an environment of its own, which leads to the emulator, and writes what it saw as JSON.
"""

import json
import sys
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException


def main(folder: Path, output: Path) -> None:
    client = mlflow.MlflowClient()
    seen = {}
    model = folder / "model"
    (model / "weights").mkdir(parents=True)
    (model / "MLmodel").write_text("flavors:\n  python_function:\n    loader_module: none\n")
    (model / "weights" / "w.bin").write_bytes(bytes(range(256)))

    experiment = mlflow.set_experiment("mlflow-client")
    with mlflow.start_run(run_name="first") as run:
        mlflow.log_params({"epochs": 5, "rate": 0.1})
        for step in range(3):
            mlflow.log_metrics({"accuracy": step / 4, "loss": 1 / (step + 1)}, step=step)
        mlflow.log_metric("broken", float("nan"))
        mlflow.set_tag("team", "vision")
        mlflow.log_artifacts(str(model), "model")
        mlflow.log_text("hello", "notes/hello.txt")
    with mlflow.start_run(run_name="second"), mlflow.start_run(run_name="child", nested=True):
        mlflow.log_metric("accuracy", 0.9)
    with mlflow.start_run(run_name="failed") as failed:
        pass
    client.set_terminated(failed.info.run_id, "FAILED")

    run_id = run.info.run_id
    logged = mlflow.get_run(run_id)
    seen["status"] = [logged.info.status, logged.info.experiment_id == experiment.experiment_id]
    seen["params"] = logged.data.params
    seen["metrics"] = {name: str(value) for name, value in logged.data.metrics.items()}
    seen["team"] = logged.data.tags["team"]
    seen["history"] = [[metric.step, metric.value] for metric in client.get_metric_history(run_id, "accuracy")]

    def names(**query: object) -> list[str]:
        return [found.info.run_name for found in client.search_runs([experiment.experiment_id], **query)]

    seen["runs"] = sorted(names())
    seen["pages"] = len(client.search_runs([experiment.experiment_id], max_results=3).token)
    seen["good"] = names(filter_string="metrics.accuracy > 0.4", order_by=["metrics.accuracy DESC"])
    seen["failed"] = names(filter_string="attributes.status = 'FAILED'")
    client.delete_run(failed.info.run_id)
    seen["deleted"] = [sorted(names()), names(run_view_type=mlflow.entities.ViewType.DELETED_ONLY)]
    seen["experiment"] = experiment.name in {found.name for found in client.search_experiments()}

    seen["artifacts"] = sorted(found.path for found in client.list_artifacts(run_id, "model"))
    seen["note"] = mlflow.artifacts.load_text(f"runs:/{run_id}/notes/hello.txt")

    registered = mlflow.register_model(f"runs:/{run_id}/model", "digits")
    seen["registered"] = [registered.version, registered.status, registered.run_id == run_id]
    local = client.create_model_version("digits", f"file://{model}")
    seen["local"] = local.version
    client.set_model_version_tag("digits", "1", "checked", "yes")
    client.update_model_version("digits", "2", "from a folder")
    client.transition_model_version_stage("digits", "1", "Production")
    seen["versions"] = sorted(
        [found.version, found.current_stage, found.description, found.tags.get("checked")]
        for found in client.search_model_versions("name = 'digits'")
    )
    seen["latest"] = {
        found.current_stage: found.version for found in client.get_registered_model("digits").latest_versions
    }
    for uri in ("models:/digits/1", "models:/digits/2", "models:/digits/Production", "models:/sdk/1"):
        copy = Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(folder / uri.replace("/", "-"))))
        files = {path.name: path.stat().st_size for path in copy.rglob("*") if path.is_file()}
        seen[uri] = {name: files[name] for name in ("MLmodel", "w.bin") if name in files}
    try:
        client.get_model_version("digits", "9")
    except MlflowException as error:
        seen["missing"] = error.error_code
    client.delete_model_version("digits", "2")
    seen["left"] = [found.version for found in client.search_model_versions("name = 'digits'")]
    output.write_text(json.dumps(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
