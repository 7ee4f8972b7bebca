"""The suite's main pipeline: images to a live endpoint.

prep -> train -> score -> quality gate -> register -> deploy. A model below the minimum, or worse than the live model if
`compare_with_live` is set, is reported as rejected and not registered; the run succeeds. However the run ends, the exit
task cleans up an unfinished rollout.
"""

from typing import Any

from kfp import dsl

from kfp_azureml.azcreds import SECRET_NAME
from kfp_azureml.compiling import PipelineOptions
from kfp_azureml.compiling.inherited import inherits_parameters
from kfp_azureml.compiling.pods import for_azure, for_gpu, for_kubeflow, time_to_live, worker_gpus
from kfp_azureml.imagesets.fashion_mnist import ADDRESS
from kfp_azureml.steps.aml_deploy_model import component as deploy_component
from kfp_azureml.steps.aml_live_model import component as live_component
from kfp_azureml.steps.aml_preflight import component as preflight_component
from kfp_azureml.steps.aml_reconcile import component as reconcile_component
from kfp_azureml.steps.aml_register_model import component as register_component
from kfp_azureml.steps.prep import component as prep_component
from kfp_azureml.steps.quality_gate import component as gate_component
from kfp_azureml.steps.score import component as score_component
from kfp_azureml.steps.train import component as train_component
from kfp_azureml.steps.train_distributed import component as distributed_component

MINUTE, HOUR, DAY = 60, 3600, 86400


def build_pipeline(options: PipelineOptions) -> Any:
    """Return the pipeline, ready to be compiled.

    Args:
        options: What is chosen at compile time: images, Azure identity, GPUs and the like.
    """
    distributes = options.train_workers > 1

    @dsl.pipeline(
        name="image-classification",
        display_name="Image classification to Azure ML",
        description="Prepare images, train and score a Keras classifier, register it in Azure ML and bring it live.",
        pipeline_config=time_to_live(options),
    )
    @inherits_parameters(
        prep_component.prep,
        *([distributed_component.train_distributed] if distributes else []),
        train_component.train,
        gate_component.quality_gate,
        register_component.aml_register_model,
        deploy_component.aml_deploy_model,
        preflight_component.aml_preflight,
    )
    def image_classification(  # noqa: D417 - parameters of components are described there
        *,
        resource_group: str,
        workspace: str,
        subscription_id: str = "",
        azure_secret: str = SECRET_NAME,
        input_data: str = ADDRESS,
        data_version: str = "",
        use_azure_credentials: bool,
        class_names: list,  # type: ignore[type-arg]
        image_size: str,
        resize: str,
        channels: int,
        test_fraction: float,
        on_bad_image: str,
        max_bad_fraction: float,
        epochs: int,
        architecture: str,
        batch_size: int,
        learning_rate: float,
        validation_fraction: float,
        initial_weights: str,
        initial_weights_sha256: str,
        frozen_epochs: int,
        augment: list,  # type: ignore[type-arg]
        class_weights: str,
        patience: int,
        model_format: str,
        seed: int,
        checkpoint: str,
        checkpoint_steps: int,
        min_accuracy: float = 0.9,
        metric: str,
        min_metric: float,
        compare_with_live: bool,
        min_improvement: float,
        model_name: str = "image-classifier",
        endpoint_name: str,
        instance_type: str,
        instance_count: int,
        strategy: str,
        traffic_steps: list,  # type: ignore[type-arg]
        soak_seconds: int,
        keep_previous: bool,
        # Fashion-MNIST needs, in MiB: prep 93, train 737, score 149, the gate 17, the Azure steps 117 to 130. More for
        # larger images, and for Kubeflow's launcher, which shares the container. Not measured: what CUDA adds to train.
        prep_cpu: str = "1",
        prep_memory: str = "1Gi",
        train_cpu: str = "2",
        train_memory: str = "8Gi" if options.gpu else "2Gi",
        score_cpu: str = "1",
        score_memory: str = "1Gi",
        gate_cpu: str = "500m",
        gate_memory: str = "256Mi",
        azure_cpu: str = "500m",
        azure_memory: str = "512Mi",
    ) -> None:
        """Images to a live endpoint.

        Args:
            resource_group: Resource group of the Azure ML workspace.
            workspace: Name of the Azure ML workspace.
            subscription_id: Subscription of the workspace; empty takes it from the secret, if there is one.
            azure_secret: Kubernetes secret with the Azure credentials; not used with workload identity.
            input_data: Folder or URI of the images, as prep reads them; or azureml:NAME:VERSION.
            data_version: Version of the input data, under which prep is cached; empty disables the cache.
            prep_cpu: CPUs of the prep step, such as 1 or 500m.
            prep_memory: Memory of the prep step, such as 1Gi.
            train_cpu: CPUs of the train step, or of each of its workers.
            train_memory: Memory of the train step, or of each of its workers.
            score_cpu: CPUs of the score step.
            score_memory: Memory of the score step.
            gate_cpu: CPUs of the quality gate.
            gate_memory: Memory of the quality gate.
            azure_cpu: CPUs of each Azure ML step: preflight, live model, register, deploy and reconcile.
            azure_memory: Memory of each Azure ML step.
        """
        workspace_of = {"resource_group": resource_group, "workspace": workspace, "subscription_id": subscription_id}
        unfinished = reconcile_component.aml_reconcile(
            run_id=dsl.PIPELINE_JOB_ID_PLACEHOLDER, train_jobs=distributes, **workspace_of
        )
        with dsl.ExitHandler(unfinished, name="clean-up-unfinished-rollouts"):
            checked = preflight_component.aml_preflight(
                model_name=model_name,
                endpoint_name=endpoint_name,
                instance_type=instance_type,
                instance_count=instance_count,
                strategy=strategy,
                traffic_steps=traffic_steps,
                data_version=data_version,
                run_id=dsl.PIPELINE_JOB_ID_PLACEHOLDER,
                compare_with_live=compare_with_live,
                min_accuracy=min_accuracy,
                metric=metric,
                min_metric=min_metric,
                min_improvement=min_improvement,
                **workspace_of,
            )
            live = live_component.aml_live_model(model_id=checked.outputs["live_model"], **workspace_of)
            prepared = prep_component.prep(
                input_data=input_data,
                class_names=class_names,
                image_size=image_size,
                resize=resize,
                channels=channels,
                test_fraction=test_fraction,
                on_bad_image=on_bad_image,
                max_bad_fraction=max_bad_fraction,
                data_version=checked.outputs["data_version"],
                use_azure_credentials=use_azure_credentials,
                **workspace_of,
            )
            training = {
                "input_data": prepared.outputs["training_data"],
                "epochs": epochs,
                "architecture": architecture,
                "batch_size": batch_size,
                "learning_rate": learning_rate,
                "validation_fraction": validation_fraction,
                "initial_weights": initial_weights,
                "initial_weights_sha256": initial_weights_sha256,
                "frozen_epochs": frozen_epochs,
                "augment": augment,
                "class_weights": class_weights,
                "patience": patience,
                "model_format": model_format,
                "seed": seed,
                "checkpoint": checkpoint,
                "checkpoint_steps": checkpoint_steps,
                "use_azure_credentials": use_azure_credentials,
            }
            if distributes:
                trained = distributed_component.train_distributed(
                    workers=options.train_workers,
                    worker_cpu=train_cpu,
                    worker_memory=train_memory,
                    **worker_gpus(options),
                    azure_secret="" if options.workload_identity else azure_secret,
                    **training,
                )
            else:
                trained = train_component.train(**training)
            scored = score_component.score(
                input_data=prepared.outputs["test_data"],
                input_model=trained.outputs["output_model"],
                live_model=live.outputs["model"],
            )
            judged = gate_component.quality_gate(
                accuracy=scored.outputs["Output"],
                min_accuracy=min_accuracy,
                metric=metric,
                min_metric=min_metric,
                min_improvement=min_improvement,
                scores=scored.outputs["scores"],
            )
            with dsl.If(judged.outputs["Output"] == "accepted", name="accepted"):
                registered = register_component.aml_register_model(
                    model=trained.outputs["output_model"],
                    score_result=scored.outputs["output_result"],
                    model_name=model_name,
                    run_id=dsl.PIPELINE_JOB_ID_PLACEHOLDER,
                    **workspace_of,
                )
                deployed = deploy_component.aml_deploy_model(
                    model_name=registered.outputs["name"],
                    model_version=registered.outputs["version"],
                    score_result=scored.outputs["output_result"],
                    endpoint_name=endpoint_name,
                    instance_type=instance_type,
                    instance_count=instance_count,
                    strategy=strategy,
                    traffic_steps=traffic_steps,
                    soak_seconds=soak_seconds,
                    keep_previous=keep_previous,
                    run_id=dsl.PIPELINE_JOB_ID_PLACEHOLDER,
                    **workspace_of,
                )

        # From here on: how the steps run on Kubeflow. A step whose workers train is itself as small as an Azure step.
        training_step = (
            (trained, distributed_component, azure_cpu, azure_memory, DAY + 2 * HOUR)
            if distributes
            else (trained, train_component, train_cpu, train_memory, DAY)
        )
        for task, component, cpu, memory, timeout_seconds in (
            (prepared, prep_component, prep_cpu, prep_memory, 2 * HOUR),
            training_step,
            (scored, score_component, score_cpu, score_memory, HOUR),
            (judged, gate_component, gate_cpu, gate_memory, 15 * MINUTE),
        ):
            task.set_display_name(component.DISPLAY_NAME).set_container_image(options.ml_image)
            for_kubeflow(task, options, cpu=cpu, memory=memory, timeout_seconds=timeout_seconds)
        if distributes:
            # The workers have the image of the step.
            trained.set_container_image(options.ml_gpu_image if options.gpu else options.ml_image)
        else:
            for_gpu(trained, options)
        for task in (prepared, trained):  # for data, initial weights and checkpoints in Azure storage
            for_azure(task, options, azure_secret)

        for task, component, timeout_seconds in (
            (checked, preflight_component, 15 * MINUTE),
            (live, live_component, HOUR),
            (registered, register_component, HOUR),
            # Its own timeout of an hour ends it before this, and rolls back traffic.
            (deployed, deploy_component, 2 * HOUR),
            (unfinished, reconcile_component, HOUR),
        ):
            task.set_display_name(component.DISPLAY_NAME).set_container_image(options.azure_image)
            # Preflight should fail at once.
            retry = task is not checked
            for_kubeflow(
                task, options, cpu=azure_cpu, memory=azure_memory, timeout_seconds=timeout_seconds, retry=retry
            )
            for_azure(task, options, azure_secret)
            # The cache key has neither the environment nor the state of the cloud. A model version's content, named by
            # its full id, never changes, and score is cached only if this is.
            task.set_caching_options(task is live)

    return image_classification
