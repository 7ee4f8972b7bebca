from __future__ import annotations

import pytest

from databricks_api import Databricks
from emulator_app import App


@pytest.fixture
def databricks(app: App) -> Databricks:
    return Databricks(app)
