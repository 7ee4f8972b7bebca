"""Entry script of MLflow models without code, for azureml-inference-server-http.

It runs in the model's environment, with MLflow 2 or later, and imports nothing of the emulator.

Request: {"input_data": DATA, "params": {...}}; `params` is optional. DATA is a table {"columns": [...], "index":
[...], "data": [[...], ...]}, where columns and index are optional; or, for a model with a tensor signature or without
a signature, a nested list, or one per named tensor.

Response: what the model's predict() returned, as JSON; a data frame is a list of records. An invalid request gets
status 400.
"""

import json
import os
from pathlib import Path

import mlflow.pyfunc
import numpy as np
import pandas as pd
from azureml_inference_server_http.api.aml_response import AMLResponse
from mlflow.exceptions import MlflowException
from mlflow.types import Schema
from mlflow.utils.proto_json_utils import dataframe_from_parsed_json

Inputs = pd.DataFrame | np.ndarray | dict[str, np.ndarray]

model: mlflow.pyfunc.PyFuncModel


class BadRequestError(ValueError):
    """An invalid request; the message is for the client."""


def init() -> None:
    """Load the model once, before the first request."""
    global model
    model = mlflow.pyfunc.load_model(str(Path(os.environ["AZUREML_MODEL_DIR"]) / os.environ["MLFLOW_MODEL_FOLDER"]))


def run(data: str) -> object:
    """Answer a request with the given body."""
    try:
        body = parse(data)
        inputs = decode(body["input_data"], model.metadata.get_input_schema())
        params = {"params": body["params"]} if body.get("params") else {}
        return encode(model.predict(inputs, **params))
    except BadRequestError as error:
        return AMLResponse({"error": str(error)}, 400, json_str=True)
    except MlflowException as error:
        # Also raised for inputs that do not match the signature.
        return AMLResponse({"error": error.message}, error.get_http_status_code(), json_str=True)


def parse(data: str) -> dict[str, object]:
    """Read a request's body, an object with `input_data`.

    Raises:
        BadRequestError: If it is anything else.
    """
    try:
        body = json.loads(data)
    except ValueError as error:
        raise BadRequestError(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict) or "input_data" not in body:
        raise BadRequestError("expected an object with the key 'input_data'")
    return body


def decode(data: object, schema: Schema | None) -> Inputs:
    """Convert a request's data to the model's input.

    Args:
        data: See the module's docstring.
        schema: The inputs of the model's signature, or None.

    Returns:
        A data frame, an array, or arrays by name.

    Raises:
        BadRequestError: If the data has another form.
    """
    try:
        if schema is not None and schema.is_tensor_spec():
            return _tensors(data, dict(zip(schema.input_names(), schema.input_types(), strict=True)))
        if isinstance(data, dict) and "data" in data:
            return dataframe_from_parsed_json(data, "split", schema)
        if schema is None:
            return _tensors(data, {})
        if isinstance(data, list):
            return dataframe_from_parsed_json({"columns": schema.input_names(), "data": data}, "split", schema)
    except (ValueError, TypeError, OverflowError) as error:
        raise BadRequestError(f"input_data: {error}") from error
    raise BadRequestError("input_data: expected a table with the key 'data', or a list")


def encode(answer: object) -> object:
    """Convert a model's result to JSON: a data frame, series, array, or JSON already."""
    if isinstance(answer, pd.DataFrame):
        return json.loads(answer.to_json(orient="records"))
    if isinstance(answer, pd.Series):
        return json.loads(answer.to_json(orient="values"))
    if isinstance(answer, dict):
        return {name: encode(value) for name, value in answer.items()}
    return answer.tolist() if isinstance(answer, (np.ndarray, np.generic)) else answer


def _tensors(data: object, dtypes: dict[object, np.dtype]) -> np.ndarray | dict[str, np.ndarray]:
    if isinstance(data, dict):
        return {name: np.asarray(value, dtype=dtypes.get(name)) for name, value in data.items()}
    return np.asarray(data, dtype=next(iter(dtypes.values()), None))
