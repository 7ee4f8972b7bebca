"""The VM sizes that a translation chooses are those of a workspace."""

import pytest

from azureml_emulator.control_plane.vm_sizes import find_size
from kfp_azureml.steps.aml_deploy_model.v1_configuration.instance_types import SIZES, Size


@pytest.mark.parametrize("size", SIZES, ids=lambda size: size.name)
def test_the_emulator_offers_each_size_with_its_cores_and_memory(size):
    offered = find_size(size.name)
    assert offered is not None
    assert Size(offered["name"], offered["vCPUs"], offered["memoryGB"], offered["gpus"]) == size
