"""KFP component train_distributed."""

from kfp import dsl
from kfp.dsl import HTML, Dataset, Input, Metrics, Model, Output

from kfp_azureml.images import ML_IMAGE

DISPLAY_NAME = "Train Image Classification Keras in Several Workers"


@dsl.component(base_image=ML_IMAGE, install_kfp_package=False)
def train_distributed(
    input_data: Input[Dataset],
    output_model: Output[Model],
    metrics: Output[Metrics],
    history: Output[HTML],
    checkpoint: str,
    workers: int = 2,
    worker_cpu: str = "2",
    worker_memory: str = "4Gi",
    worker_gpus: int = 0,
    gpu_type: str = "nvidia.com/gpu",
    image: str = "",
    training_runtime: str = "",
    azure_secret: str = "azcreds",
    queue_timeout_seconds: int = 3600,
    timeout_seconds: int = 86400,
    epochs: int = 10,
    architecture: str = "lean",
    batch_size: int = 0,
    learning_rate: float = 0.0,
    validation_fraction: float = 0.1,
    seed: int = 13,
    pipeline_run_id: str = "",
    pipeline_task_name: str = "",
) -> None:
    """Train an image classifier in several pods, as a TrainJob of Kubeflow Trainer 2.

    The parameters of training are those of train, batch_size is that of all workers together. The TrainJob is deleted
    when the step is stopped or a timeout passes; a retry of the step joins it.

    Args:
        input_data: Training set, as written by prep; the workers read it by its URI.
        output_model: Model folder: model.keras, model.onnx (checked against Keras) and the manifest model.json.
        metrics: Loss and accuracy of the last epoch, on training and validation images.
        history: Loss and accuracy by epoch, as curves and as a table.
        checkpoint: URI or path of a folder for the checkpoints and the result, reached by all workers and this step.
        workers: Number of workers, one pod each.
        worker_cpu: CPUs of a worker, such as 2 or 500m.
        worker_memory: Memory of a worker, such as 4Gi.
        worker_gpus: Number of GPUs of a worker.
        gpu_type: Kubernetes resource name of a GPU.
        image: Image of the workers; empty selects that of this step.
        training_runtime: ClusterTrainingRuntime; empty selects kfp-azureml, or torch-distributed where that is missing.
        azure_secret: Kubernetes secret with the workers' Azure credentials; empty for the identity of their pods.
        queue_timeout_seconds: Timeout until all workers run, in seconds; 0 disables it.
        timeout_seconds: Timeout for training, in seconds; 0 disables it.
        epochs: Number of passes over the training images.
        architecture: Network and training recipe: `lean`, or `original`, that of the Azure ML example.
        batch_size: Batch size; 0 selects the architecture's default.
        learning_rate: Peak learning rate; 0 selects the architecture's default.
        validation_fraction: Share of images held out for validation, 0 or more and less than 1; 0 trains on all.
        seed: Random seed of weights, validation split, image order and augmentation.
        pipeline_run_id: Pipeline run, by which a retry and aml_reconcile find the TrainJob; pass
            dsl.PIPELINE_JOB_ID_PLACEHOLDER.
        pipeline_task_name: Task, in a loop with the loop item; pass dsl.PIPELINE_TASK_NAME_PLACEHOLDER.
    """
    from pathlib import Path

    from kfp_azureml.engines.follow import Limits
    from kfp_azureml.engines.train_job import Workers
    from kfp_azureml.runtime.step import run_step
    from kfp_azureml.steps.train_distributed.train_distributed import NAME, Distribution, train_in_workers

    with run_step(NAME):
        distribution = Distribution(
            Workers(workers, worker_cpu, worker_memory, worker_gpus, gpu_type),
            checkpoint,
            image,
            training_runtime,
            azure_secret,
            Limits(queue_timeout_seconds, timeout_seconds),
            pipeline_run_id,
            pipeline_task_name,
        )
        parameters = {
            "epochs": epochs,
            "architecture": architecture,
            "batch_size": batch_size,
            "learning_rate": learning_rate,
            "validation_fraction": validation_fraction,
            "seed": seed,
        }
        result = train_in_workers(
            input_data.uri,
            input_data.metadata,
            Path(output_model.path),
            parameters,
            distribution,
            output_history=Path(history.path),
        )
        for name, value in result["metrics"].items():
            metrics.log_metric(name, value)
        output_model.framework = "keras"
        output_model.metadata.update(result["metadata"])
