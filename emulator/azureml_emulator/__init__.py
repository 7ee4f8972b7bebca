"""An Azure Machine Learning emulator for development and tests."""

from azureml_emulator.emulator import running_emulator
from azureml_emulator.errors import EmulatorError
from azureml_emulator.info import EmulatorInfo

__all__ = ["EmulatorError", "EmulatorInfo", "running_emulator"]
