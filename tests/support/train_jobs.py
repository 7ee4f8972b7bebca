"""A TrainJob's spec for tests."""

from kfp_azureml.engines.train_job import Program, Workers, train_job_spec

SPEC = train_job_spec(
    Program("example.azurecr.io/ml:1", ["python", "-m", "train"], {"A": "1"}, {"B": ("azcreds", "B")}),
    Workers(2, "2", "4Gi", 1),
    "kfp-azureml",
)
