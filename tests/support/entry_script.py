"""Load the entry script in this process, without its server; requests have what Flask's have."""

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any

from kfp_azureml.azureml.rollout.environment import SERVING_FOLDER

MODULES = ("classifier", "openapi", "preprocessing", "request_body", "request_images")


@dataclass
class Request:
    """A request with a body.

    Attributes:
        body: The body.
        mimetype: Its content type; empty for none.
        method: HTTP method.
        environ: The WSGI environment.
    """

    body: bytes
    mimetype: str = "application/json"
    method: str = "POST"
    environ: dict[str, Any] = field(default_factory=dict)

    @property
    def content_length(self) -> int:
        return len(self.body)

    def get_data(self) -> bytes:
        return self.body


@contextmanager
def entry_script() -> Iterator[ModuleType]:
    """Load score.py as its server does; yield it, and forget it and the files beside it afterwards."""
    api = "azureml_inference_server_http.api"
    server = {
        f"{api}.aml_request": SimpleNamespace(rawhttp=lambda run: run),
        f"{api}.aml_response": SimpleNamespace(AMLResponse=lambda message, status, json_str=False: (status, message)),
    }
    bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    sys.modules.update(server)  # type: ignore[arg-type]
    try:
        spec = importlib.util.spec_from_file_location("entry_module", SERVING_FOLDER / "score.py")
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.dont_write_bytecode = bytecode
        sys.path.remove(str(SERVING_FOLDER))
        for name in (*MODULES, *server):
            sys.modules.pop(name, None)
