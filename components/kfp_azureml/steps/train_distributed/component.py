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
    azure_secret: str = "azcreds",  # noqa: S107 - the name of a Kubernetes object
    queue_timeout_seconds: int = 3600,
    timeout_seconds: int = 86400,
    pipeline_run_id: str = "",
    pipeline_task_name: str = "",
    epochs: int = 10,
    architecture: str = "lean",
    batch_size: int = 0,
    learning_rate: float = 0.0,
    validation_fraction: float = 0.1,
    seed: int = 13,
    initial_weights: str = "",
    initial_weights_sha256: str = "",
    frozen_epochs: int = 0,
    augment: list[str] = [],  # noqa: B006 - kfp needs the default itself
    class_weights: str = "none",
    patience: int = 0,
    model_format: str = "folder",
    use_azure_credentials: bool = False,
    checkpoint_steps: int = 0,
) -> None:
    """Train an image classifier in several pods, as a TrainJob of Kubeflow Trainer 2.

    A retry of the step joins the TrainJob. It is deleted when the step is stopped or a timeout passes.

    Args:
        input_data: Training set, as written by prep; the workers read it by its URI: abfss://, az://, s3://, minio://
            or a path on a volume that they mount.
        output_model: Model folder: model.keras, model.onnx (checked against Keras) and the manifest model.json.
        metrics: Loss and accuracy, on training and validation images, of the epoch whose weights the model has.
        history: Loss and accuracy by epoch, as curves and as a table.
        checkpoint: Folder for the state of training and its result, which all workers and this step reach: a URI such
            as abfss:// or s3://, or a path on a mounted volume. With it lost workers, and a step that is run again, go
            on.
        workers: Number of workers, one pod each.
        worker_cpu: CPUs of a worker, such as 2 or 500m.
        worker_memory: Memory of a worker, such as 4Gi.
        worker_gpus: Number of GPUs of a worker.
        gpu_type: Kubernetes resource name of a GPU.
        image: Image of the workers; empty selects that of this step.
        training_runtime: ClusterTrainingRuntime; empty selects kfp-azureml, or torch-distributed where that is missing.
        azure_secret: Kubernetes secret with the workers' Azure credentials, for use_azure_credentials; empty selects
            workload identity.
        queue_timeout_seconds: Timeout until all workers run, in seconds; 0 disables it.
        timeout_seconds: Timeout for training, in seconds; 0 disables it.
        pipeline_run_id: Pipeline run, by which a retry and aml_reconcile find the TrainJob; empty takes it from the
            step's pod.
        pipeline_task_name: Task, to tell equal ones of a run apart.
        epochs: Number of passes over the training images.
        architecture: Network and training recipe: for small images `lean`, or `original`, that of the Azure ML example;
            for photos `mobilenet_v3_small`, `mobilenet_v3_large`, `efficientnet_v2_b0`, `resnet50_v2` or
            `convnext_tiny`; or package.module:function, which builds a network of your own.
        batch_size: Batch size of all workers together; 0 selects the architecture's default, or less for a small set.
        learning_rate: Peak learning rate; 0 selects the architecture's default.
        validation_fraction: Share of images held out for validation, 0 or more and less than 1; 0 trains on all.
        seed: Random seed of weights, validation split, image order and augmentation.
        initial_weights: Weights or model file of Keras to start from, for a network for photos: a path, or a URI such
            as abfss://, s3:// or https://; empty starts from random weights. Nothing is downloaded from elsewhere.
        initial_weights_sha256: Expected sha256 of this file; empty does not check it.
        frozen_epochs: Number of first epochs in which only the head is trained; then all is, at a tenth of the rate.
        augment: Random changes of training images: any of `flips`, `shifts`, `crops` and `colour`, or `none`; empty
            selects the architecture's default.
        class_weights: `balanced` gives each class the same weight, `none` each image.
        patience: Number of epochs without a lower validation loss after which training ends, and the best epoch is
            kept; 0 trains all epochs and keeps the last.
        model_format: `folder` for model.keras, model.onnx and model.json; `mlflow` for an MLflow model of model.onnx,
            which Azure ML deploys without a script; or `both` in one folder.
        use_azure_credentials: Access Azure storage with the azcreds secret or workload identity.
        checkpoint_steps: Number of training steps between two more checkpoints within an epoch; 0 for none.
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
            "initial_weights": initial_weights,
            "initial_weights_sha256": initial_weights_sha256,
            "frozen_epochs": frozen_epochs,
            "augment": augment,
            "class_weights": class_weights,
            "patience": patience,
            "model_format": model_format,
            "use_azure_credentials": use_azure_credentials,
            "checkpoint_steps": checkpoint_steps,
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
