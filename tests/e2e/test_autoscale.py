"""Replicas that follow the load: more when more is asked for, none when nothing is, one again when asked once more."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest
from plane import Plane, demo_model, wait_for

TIDE = "tide-tidal"
BY_LOAD = ("--autoscale", "0..2", "--requests-per-second-per-replica", "0.1")


@pytest.fixture(scope="module")
def tide(plane: Plane) -> Iterator[str]:
    """A model whose replicas carry a request in ten seconds each, for this file alone."""
    plane.mcp("model", "register", "--name", "tide", "--path", str(demo_model()), "--version", "1.0")
    plane.mcp("environment", "create", "--name", "tidal", "--type", "cpu", "--resources", "cpu=1,memory=1Gi")
    told = plane.mcp("deploy", "--model", "tide:1.0", "--environment", "tidal", *BY_LOAD, "--yes")
    assert "0 to 2 replicas by load" in told
    plane.wait_ready(TIDE, 1)
    yield TIDE
    plane.mcp("delete", "--deployment", TIDE, "--yes")
    wait_for("the deployment is gone", lambda: TIDE not in plane.deployments())


def ask(plane: Plane, retries: int = 0) -> str | None:
    with openai.OpenAI(base_url=f"{plane.gateway}/v1", api_key=plane.key, max_retries=retries, timeout=60) as client:
        question = [{"role": "user", "content": "Hello"}]
        return client.chat.completions.create(model="tide", messages=question, max_tokens=4).choices[0].message.content


def test_more_is_asked_for_and_more_replicas_come(plane: Plane, tide: str) -> None:
    def scaled() -> bool:
        ask(plane)
        return plane.status(tide)["replicas_wanted"] == 2

    wait_for("the load is followed", scaled, every_s=0.5)
    plane.wait_ready(tide, 2)
    following = plane.status(tide)["autoscaling"]
    assert following["load"] > 1 and following["why"] and following["replicas_max"] == 2
    assert "by load" in plane.mcp("status", "--deployment", tide)
    events = plane.get(f"/v1/deployments/{tide}/events?limit=1000")["items"]
    [move] = [event for event in events if event["what"] == "scaled from 1 to 2 replicas"]
    assert "load" in move["why"]


def test_a_request_wakes_what_has_no_replica(plane: Plane, tide: str) -> None:
    plane.mcp("scale", "--deployment", tide, "--replicas", "0")
    plane.wait_ready(tide, 0)
    assert "autoscaling" not in plane.status(tide)
    plane.mcp("scale", "--deployment", tide, *BY_LOAD)
    assert plane.status(tide)["replicas_wanted"] == 0
    # It waits for the start; where that takes too long, the client comes back when it was told to.
    assert ask(plane, retries=2)
    plane.wait_ready(tide, 1)


def test_a_range_that_cannot_be_is_refused(plane: Plane, tide: str) -> None:
    deploy = ("deploy", "--model", "tide:1.0", "--environment", "tidal", "--name", "other", "--dry-run")
    problem = plane.refuse(*deploy, "--autoscale", "3..1", "--requests-per-second-per-replica", "1")
    assert problem["field"] == "autoscaling.replicas_max" and problem["next_step"]
    problem = plane.refuse(*deploy, "--autoscale", "three", "--requests-per-second-per-replica", "1")
    assert problem["field"] == "autoscale"
    problem = plane.refuse(*deploy, "--autoscale", "1..3")
    assert problem["field"] == "autoscaling.replica_carries"
