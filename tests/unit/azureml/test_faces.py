"""A face repeats its work's defaults, since kfp takes no constants: here they are held together."""

import inspect

import pytest

from kfp_azureml.azureml.rollout.desired_state import INSTANCE_TYPE
from kfp_azureml.steps.aml_deploy_model.component import aml_deploy_model
from kfp_azureml.steps.aml_deploy_model.deploy import deploy_model
from kfp_azureml.steps.aml_preflight.component import aml_preflight
from kfp_azureml.steps.aml_preflight.preflight import preflight
from kfp_azureml.steps.aml_reconcile.component import aml_reconcile
from kfp_azureml.steps.aml_reconcile.reconcile import reconcile
from kfp_azureml.steps.aml_register_model.component import aml_register_model
from kfp_azureml.steps.aml_register_model.register import register_model


def defaults(function):
    """Return the parameters' defaults; None, "" and {} all say that nothing was given."""
    parameters = inspect.signature(function).parameters.values()
    return {one.name: one.default or None for one in parameters if one.default is not inspect.Parameter.empty}


@pytest.mark.parametrize(
    ("face", "work", "own"),
    [
        (aml_deploy_model, deploy_model, set()),
        (aml_register_model, register_model, set()),
        (aml_preflight, preflight, {"data_version", "run_id"}),
    ],
)
def test_a_face_has_the_defaults_of_its_work(face, work, own):
    of_face = defaults(face.python_func)
    assert {name: value for name, value in of_face.items() if name not in own} == defaults(work)
    assert own <= of_face.keys()


def test_the_exit_task_offers_what_a_run_needs_with_the_same_defaults():
    assert defaults(aml_reconcile.python_func).items() <= defaults(reconcile).items()


def test_the_machines_that_no_name_stands_for_are_those_of_the_text():
    assert INSTANCE_TYPE in aml_deploy_model.python_func.__doc__
    assert INSTANCE_TYPE in deploy_model.__doc__
