"""The suite's main pipeline: images to a live endpoint.

prep -> train -> score -> quality gate -> register -> deploy. Below the gate the model is reported as rejected, and
neither registered nor deployed; the run succeeds. However it ends, the exit task undoes a roll-out that is unfinished.
"""

from typing import Any

from kfp import dsl

from kfp_azureml.azcreds import SECRET_NAME
from kfp_azureml.compiling import PipelineOptions
from kfp_azureml.compiling.pods import for_azure, for_gpu, for_kubeflow, time_to_live
from kfp_azureml.imagesets.fashion_mnist import ADDRESS
from kfp_azureml.steps.aml_deploy_model import component as deploy_face
from kfp_azureml.steps.aml_preflight import component as preflight_face
from kfp_azureml.steps.aml_reconcile import component as reconcile_face
from kfp_azureml.steps.aml_register_model import component as register_face
from kfp_azureml.steps.prep import component as prep_face
from kfp_azureml.steps.quality_gate import component as gate_face
from kfp_azureml.steps.score import component as score_face
from kfp_azureml.steps.train import component as train_face

MINUTE, HOUR, DAY = 60, 3600, 86400


def build_pipeline(options: PipelineOptions) -> Any:
    """Return the pipeline, ready to be compiled.

    Args:
        options: What is chosen at compile time: images, Azure identity, GPUs and the like.
    """

    @dsl.pipeline(
        name="image-classification",
        display_name="Image classification to Azure ML",
        description="Prepare images, train and score a Keras classifier, register it in Azure ML and bring it live.",
        pipeline_config=time_to_live(options),
    )
    def image_classification(
        resource_group: str,
        workspace: str,
        subscription_id: str = "",
        azure_secret: str = SECRET_NAME,
        input_data: str = ADDRESS,
        data_version: str = "",
        use_azure_credentials: bool = False,
        class_names: list = [],  # type: ignore[type-arg]  # noqa: B006 - kfp needs the default itself
        epochs: int = 10,
        architecture: str = "lean",
        batch_size: int = 0,
        seed: int = 13,
        min_accuracy: float = 0.9,
        model_name: str = "fashion-mnist",
        endpoint_name: str = "",
        instance_type: str = "",
        instance_count: int = 0,
        strategy: str = "blue-green",
        traffic_steps: list = [],  # type: ignore[type-arg]  # noqa: B006
        soak_seconds: int = 60,
        keep_previous: bool = True,
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
            resource_group: The Azure ML workspace's resource group.
            workspace: The workspace's name.
            subscription_id: Its subscription. Empty: the one in the secret; needed with workload identity.
            azure_secret: The Kubernetes secret with the Azure credentials. Not used with workload identity.
            input_data: The folder or URI of the images, or azureml:NAME:VERSION: four idx files, raw or gzipped.
            data_version: Any text that changes when the data does: prep is then cached under it, else not at all.
            use_azure_credentials: Whether to read input_data with the Azure credentials.
            class_names: The classes' names, in the order of the labels; their numbers when empty.
            epochs: How often to go through the training images.
            architecture: The network: lean or seed.
            batch_size: Images a training step; 0 for the architecture's own.
            seed: The seed of every random choice in training.
            min_accuracy: The least accuracy on the test set with which the model goes on, 0 to 1.
            model_name: The name to register the model under.
            endpoint_name: The endpoint; made if there is none. Empty: a name derived from those of model and workspace.
            instance_type: The endpoint's machines. Empty: Standard_DS3_v2.
            instance_count: How many of them. 0: as many as the live deployment has, else 1.
            strategy: How traffic moves: all-at-once, blue-green, canary or mirror.
            traffic_steps: Its shares in percent, one after the other, for canary and mirror.
            soak_seconds: How long each step is watched.
            keep_previous: Whether the deployments that lose their traffic stay.
            prep_cpu: CPUs of the prep step, such as 1 or 500m.
            prep_memory: Memory of the prep step, such as 1Gi.
            train_cpu: CPUs of the train step.
            train_memory: Memory of the train step.
            score_cpu: CPUs of the score step.
            score_memory: Memory of the score step.
            gate_cpu: CPUs of the quality gate.
            gate_memory: Memory of the quality gate.
            azure_cpu: CPUs of each step that talks to Azure ML: preflight, register, deploy, reconcile.
            azure_memory: Memory of each of these steps.
        """
        workspace_of = {"resource_group": resource_group, "workspace": workspace, "subscription_id": subscription_id}
        unfinished = reconcile_face.aml_reconcile(run_id=dsl.PIPELINE_JOB_ID_PLACEHOLDER, **workspace_of)
        with dsl.ExitHandler(unfinished, name="undo-what-is-unfinished"):
            checked = preflight_face.aml_preflight(
                model_name=model_name,
                endpoint_name=endpoint_name,
                data_version=data_version,
                run_id=dsl.PIPELINE_JOB_ID_PLACEHOLDER,
                **workspace_of,
            )
            prepared = prep_face.prep(
                input_data=input_data,
                class_names=class_names,
                data_version=checked.output,
                use_azure_credentials=use_azure_credentials,
                **workspace_of,
            )
            trained = train_face.train(
                input_data=prepared.outputs["training_data"],
                epochs=epochs,
                architecture=architecture,
                batch_size=batch_size,
                seed=seed,
            )
            scored = score_face.score(
                input_data=prepared.outputs["test_data"], input_model=trained.outputs["output_model"]
            )
            judged = gate_face.quality_gate(accuracy=scored.outputs["Output"], min_accuracy=min_accuracy)
            with dsl.If(judged.outputs["Output"] == "accepted", name="accepted"):
                registered = register_face.aml_register_model(
                    model=trained.outputs["output_model"],
                    score_result=scored.outputs["output_result"],
                    model_name=model_name,
                    run_id=dsl.PIPELINE_JOB_ID_PLACEHOLDER,
                    **workspace_of,
                )
                deployed = deploy_face.aml_deploy_model(
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

        # From here on: how the steps run on Kubeflow.
        for task, face, cpu, memory, timeout_seconds in (
            (prepared, prep_face, prep_cpu, prep_memory, 2 * HOUR),
            (trained, train_face, train_cpu, train_memory, DAY),
            (scored, score_face, score_cpu, score_memory, HOUR),
            (judged, gate_face, gate_cpu, gate_memory, 15 * MINUTE),
        ):
            task.set_display_name(face.DISPLAY_NAME).set_container_image(options.ml_image)
            for_kubeflow(task, options, cpu=cpu, memory=memory, timeout_seconds=timeout_seconds)
        for_gpu(trained, options)
        for_azure(prepared, options, azure_secret)

        for task, face, timeout_seconds in (
            (checked, preflight_face, 15 * MINUTE),
            (registered, register_face, HOUR),
            # It gives up by itself after an hour and puts the traffic back, for which it needs its pod.
            (deployed, deploy_face, 2 * HOUR),
            (unfinished, reconcile_face, HOUR),
        ):
            task.set_display_name(face.DISPLAY_NAME).set_container_image(options.azure_image)
            # Preflight is there to refuse at once; a second try of ours would only make its user wait.
            retry = task is not checked
            for_kubeflow(
                task, options, cpu=azure_cpu, memory=azure_memory, timeout_seconds=timeout_seconds, retry=retry
            )
            # The cache does not know of the environment nor of what is in the cloud.
            for_azure(task, options, azure_secret).set_caching_options(False)

    return image_classification
