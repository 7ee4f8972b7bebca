import inspect

from kfp import dsl

from kfp_azureml.compiling.inherited import inherits_parameters
from kfp_azureml.components import prep, train


def definitions(pipeline):
    return pipeline.pipeline_spec.root.input_definitions.parameters


def test_default_and_description_come_from_the_component_unless_the_pipeline_has_its_own():
    @dsl.pipeline(name="p")
    @inherits_parameters(prep, train)
    def pipeline(*, data: str, epochs: int, seed: int = 7, batch_size: int, input_data: str) -> None:
        """A pipeline.

        Args:
            data: Data of its own.
            batch_size: A text of its own.
        """
        folder = prep(input_data=data, data_version=input_data)
        train(input_data=folder.outputs["training_data"], epochs=epochs, seed=seed, batch_size=batch_size)

    found = definitions(pipeline)
    assert found["data"].description == "Data of its own."
    assert not found["data"].HasField("default_value")
    assert (found["epochs"].default_value.number_value, found["seed"].default_value.number_value) == (10, 7)
    documented = inspect.getdoc(train.python_func)
    assert f"seed: {found['seed'].description}" in documented
    assert f"epochs: {found['epochs'].description}" in documented
    # Documented by the pipeline: all its own.
    assert found["batch_size"].description == "A text of its own."
    assert not found["batch_size"].HasField("default_value")
    # Required in the component.
    assert not found["input_data"].HasField("default_value")
    assert found["input_data"].description.startswith("Folder, file or URI")
    # Passed by position, as kfp does.
    tasks = pipeline.pipeline_spec.root.dag.tasks
    assert tasks["train"].inputs.parameters["seed"].component_input_parameter == "seed"
    assert tasks["prep"].inputs.parameters["input_data"].component_input_parameter == "data"
