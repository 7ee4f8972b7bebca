"""What train logs in a job, without MLflow's azureml plugin, as the workspace shows it."""

import sys

from azureml_emulator import running_emulator
from azureml_rest import signed_in_workspace

TRAIN = """
from kfp_azureml.steps.train.history import Epoch
from kfp_azureml.steps.train.mlflow_tracking import track
with track({"epochs": 2}) as log:
    log(Epoch(1, 0.8, 0.6, 0.5, 0.75, 9.5))
    log(Epoch(2, 0.4, 0.8, None, None, 9.0))
"""


def test_what_train_logs_is_on_the_jobs_run() -> None:
    arguments = [f"--environment-python=train={sys.executable}"]
    with running_emulator(arguments=arguments) as emulator, signed_in_workspace(emulator) as workspace:
        run = workspace.run_command("training", f"python - <<'END'\n{TRAIN}\nEND", "train")

    assert run["info"]["status"] == "FINISHED"
    assert run["data"]["params"] == [{"key": "epochs", "value": "2"}]
    assert {each["key"]: each["value"] for each in run["data"]["metrics"]}["Accuracy"] == 0.8
