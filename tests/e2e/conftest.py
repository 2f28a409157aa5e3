"""One plane for the tests that only use it, and a fresh one for those that break it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from plane import Plane, bin_dir


def start(folder: Path) -> Iterator[Plane]:
    """A plane on an empty folder; whatever the test does, its processes end."""
    for program in ("mcp", "model-service"):
        assert (bin_dir() / program).exists(), f"build {program} first: make test does"
    plane = Plane(folder)
    try:
        yield plane
    finally:
        plane.wipe()
        assert not plane.processes()


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """A running plane, shared: the demo model is deployed, one replica a site."""
    for plane in start(tmp_path_factory.mktemp("plane")):
        plane.up()
        plane.wait_ready(DEMO, 3)
        yield plane


@pytest.fixture
def fresh_plane(tmp_path: Path) -> Iterator[Plane]:
    """A plane of the test's own, not yet started."""
    yield from start(tmp_path / "data")


@pytest.fixture
def client(plane: Plane) -> Iterator[openai.OpenAI]:
    """The official client, as the gateway's users configure it."""
    with openai.OpenAI(base_url=f"{plane.gateway}/v1", api_key=plane.key, max_retries=0, timeout=60) as client:
        yield client


DEMO = "demo-local"
