"""The suite's components, ready for a pipeline: `from kfp_azureml.components import prep, train`.

`help(prep)` shows a component's interface.
"""

from kfp_azureml.compiling.interface import interface
from kfp_azureml.steps.aml_deploy_model.component import aml_deploy_model
from kfp_azureml.steps.aml_download_model.component import aml_download_model
from kfp_azureml.steps.aml_preflight.component import aml_preflight
from kfp_azureml.steps.aml_reconcile.component import aml_reconcile
from kfp_azureml.steps.aml_register_model.component import aml_register_model
from kfp_azureml.steps.prep.component import prep
from kfp_azureml.steps.quality_gate.component import quality_gate
from kfp_azureml.steps.score.component import score
from kfp_azureml.steps.train.component import train

__all__ = [
    "aml_deploy_model",
    "aml_download_model",
    "aml_preflight",
    "aml_reconcile",
    "aml_register_model",
    "prep",
    "quality_gate",
    "score",
    "train",
]

for _name in __all__:
    # Without a text of their own kfp's components all show the same help, that of their class.
    globals()[_name].__doc__ = interface(globals()[_name])
