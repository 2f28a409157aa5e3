"""The command line, verb by verb, as the README tells it."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from plane import Plane, bin_dir, demo_model, wait_for


@pytest.fixture(scope="module")
def cat(plane: Plane) -> Iterator[str]:
    """A second model and its environment, for this file alone."""
    plane.mcp("model", "register", "--name", "cat", "--path", str(demo_model()), "--version", "2.1")
    plane.mcp("environment", "create", "--name", "production", "--type", "cpu", "--resources", "cpu=1,memory=1Gi")
    yield "cat-production"
    if "cat-production" in plane.deployments():
        plane.mcp("delete", "--deployment", "cat-production", "--yes")
        wait_for("the deployment is gone", lambda: "cat-production" not in plane.deployments())


def items(shown: Any) -> list[dict[str, Any]]:
    """What `--output json` lists."""
    return shown["items"] if isinstance(shown, dict) and "items" in shown else shown


def test_a_registered_model_is_shown_with_its_digest(plane: Plane, cat: str) -> None:
    shown = plane.json("model", "show", "cat:2.1")
    assert shown["reference"] == "cat:2.1"
    digest = hashlib.sha256(demo_model().read_bytes()).hexdigest()
    assert digest in shown["digest"]
    assert shown["architecture"] == "llama" and shown["context_tokens"] > 0
    listed = plane.mcp("model", "list")
    assert "cat" in listed and "2.1" in listed and "demo" in listed


def test_a_dry_run_says_where_why_and_what_it_costs_and_changes_nothing(plane: Plane, cat: str) -> None:
    arguments = ("deploy", "--model", "cat:2.1", "--environment", "production", "--replicas", "2", "--dry-run")
    told = plane.mcp(*arguments)
    assert "$" in told and "local/" in told
    plan = plane.json(*arguments)
    assert json.dumps(plan).count("local/") >= 2
    assert cat not in plane.deployments()


def test_deploy_status_scale_logs_and_delete(plane: Plane, cat: str) -> None:
    plane.mcp("deploy", "--model", "cat:2.1", "--environment", "production", "--replicas", "2", "--yes")
    plane.wait_ready(cat, 2)
    [status] = items(plane.json("status", "--deployment", cat))
    assert (status["replicas_wanted"], status["replicas_ready"]) == (2, 2)
    assert status["price_per_hour"] > 0 and len({site["site"] for site in status["sites"]}) == 2
    assert cat in plane.mcp("status") and "local/" in plane.mcp("status", "--deployment", cat)

    with openai.OpenAI(base_url=f"{plane.gateway}/v1", api_key=plane.key, max_retries=0) as client:
        wait_for("the gateway knows the model", lambda: "cat" in {model.id for model in client.models.list()})
        answer = client.chat.completions.create(
            model="cat", messages=[{"role": "user", "content": "Tell me about the Heron."}], max_tokens=8
        )
        assert answer.choices[0].message.content

    plane.mcp("scale", "--deployment", cat, "--replicas", "1")
    plane.wait_ready(cat, 1)
    plane.mcp("scale", "--deployment", cat, "--replicas", "3")
    plane.wait_ready(cat, 3)
    assert plane.mcp("logs", "--deployment", cat).strip()

    plane.mcp("delete", "--deployment", cat, "--yes")
    wait_for("the deployment is gone", lambda: cat not in plane.deployments())
    served = [process.option("alias") for process in plane.services()]
    assert "cat:2.1" not in served


def test_chat_answers_in_the_terminal(plane: Plane) -> None:
    done = subprocess.run(
        [bin_dir() / "mcp", "chat", "demo"],
        input="Tell me about the Heron.\n",
        env=plane.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) > 2


def test_a_new_key_works_and_a_deleted_one_does_not(plane: Plane) -> None:
    made = plane.json("key", "create", "--name", "visitor")
    with openai.OpenAI(base_url=f"{plane.gateway}/v1", api_key=made["secret"], max_retries=0) as client:

        def let_in() -> bool:
            try:
                return bool(client.models.list().data)
            except openai.AuthenticationError:
                return False

        wait_for("the new key works", let_in, seconds=60)
        status, _ = plane.rest("DELETE", f"/v1/keys/{made['key']['id']}")
        assert status == 200
        wait_for("the deleted key does not work", lambda: not let_in(), seconds=60)
    keys = json.dumps(plane.get("/v1/keys"))
    assert made["secret"] not in keys, "a key is shown once"


def test_no_project_learns_what_another_has_sent(plane: Plane) -> None:
    projects = {"first": "tenant-a", "mate": "tenant-a", "other": "tenant-b"}
    keys = {
        name: plane.json("key", "create", "--name", name, "--project", projects[name])["secret"] for name in projects
    }
    messages = [
        {"role": "system", "content": "Tell me about the Heron. " * 8},
        {"role": "user", "content": "Who is it?"},
    ]

    def cached(name: str) -> int:
        with openai.OpenAI(base_url=f"{plane.gateway}/v1", api_key=keys[name], max_retries=0) as client:
            answer = client.chat.completions.create(model="demo", messages=messages, max_tokens=2)
            details = answer.usage.prompt_tokens_details if answer.usage else None
            return (details.cached_tokens or 0) if details else 0

    def let_in(name: str) -> bool:
        with openai.OpenAI(base_url=f"{plane.gateway}/v1", api_key=keys[name], max_retries=0) as client:
            try:
                return bool(client.models.list().data)
            except openai.AuthenticationError:
                return False

    for name in projects:
        wait_for("the new key works", lambda name=name: let_in(name), seconds=30)
    assert cached("first") == 0, "nobody of the project has asked yet"
    wait_for("its own beginning is found again", lambda: cached("first") > 0)
    wait_for("and by another key of the project", lambda: cached("mate") > 0)
    assert cached("other") == 0, "another project finds nothing of it"


def test_what_is_there_for_people(plane: Plane, tmp_path: Path) -> None:
    assert "Examples:" in plane.mcp("--help")
    assert "mcp" in plane.mcp("completions", "bash")
    assert plane.mcp("config", "show").strip()
    plane.mcp("config", "check")
    doctor = plane.run("doctor")
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    document = plane.get("/openapi.json")
    assert document["openapi"].startswith("3.1") and "/v1/deployments" in document["paths"]
