"""Models."""

from __future__ import annotations

from azureml_emulator.arm import bad_request
from azureml_emulator.resources.assets import AssetKind
from azureml_emulator.store import Document


def _complete(properties: Document) -> Document:
    if not isinstance(properties.get("modelUri"), str):
        raise bad_request("A model needs a 'modelUri'.")
    return {"modelType": "custom_model", "flavors": {}, "jobName": None, **properties}


routes = AssetKind("models", immutable=("modelUri", "modelType"), complete=_complete).routes()
