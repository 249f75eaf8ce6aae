"""Every stage once on one toy scene, shared by the tests of the stages."""

from __future__ import annotations

import pytest
from toy import Run, run_stages

from sr_core.log import Silent


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_stages(tmp_path_factory.mktemp("stages"), Silent())
