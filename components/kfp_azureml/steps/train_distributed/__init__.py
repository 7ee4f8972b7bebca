"""Train in several pods, as a TrainJob of Kubeflow Trainer."""
