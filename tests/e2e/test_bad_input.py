"""Bad input: a code, a cause, what to do, and nothing half-written."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from plane import Plane, demo_model


def everything(plane: Plane) -> str:
    """What is registered and deployed, as one text to compare."""
    paths = ("/v1/models", "/v1/environments")
    return json.dumps([plane.get(path) for path in paths] + [plane.deployments()])


@pytest.fixture
def unchanged(plane: Plane) -> Iterator[None]:
    """Whatever the test tries leaves no trace."""
    before = everything(plane)
    yield
    assert everything(plane) == before


def check(problem: dict, code: str, *words: str) -> None:
    assert problem["code"] == code, problem
    assert problem["cause"], problem
    said = f"{problem['cause']} {problem.get('next_step', '')} {problem.get('field', '')}".lower()
    for word in words:
        assert word.lower() in said, f"{word!r} is not in {problem}"


ENVIRONMENT = ("environment", "create", "--name", "odd", "--type", "cpu", "--resources")


@pytest.mark.parametrize("resources", ["cpu=lots,memory=1Gi", "memory=1Gi,tea=2", "cpu=1,memory=1Zi", "cpu"])
@pytest.mark.usefixtures("unchanged")
def test_resources_that_do_not_parse(plane: Plane, resources: str) -> None:
    check(plane.refuse(*ENVIRONMENT, resources), "MCP0001")


@pytest.mark.usefixtures("unchanged")
def test_a_model_or_environment_that_nobody_knows(plane: Plane) -> None:
    environment = plane.list("/v1/environments")[0]["name"]
    deploy = ("deploy", "--replicas", "1", "--yes")
    check(plane.refuse(*deploy, "--model", "ghost:1.0", "--environment", environment), "MCP0004", "ghost")
    check(plane.refuse(*deploy, "--model", "demo:1.0", "--environment", "nowhere"), "MCP0004", "nowhere")
    check(plane.refuse("status", "--deployment", "ghost"), "MCP0004", "ghost")
    check(plane.refuse("scale", "--deployment", "ghost", "--replicas", "2"), "MCP0004", "ghost")


@pytest.mark.usefixtures("unchanged")
def test_negative_and_absurd_replicas(plane: Plane) -> None:
    for replicas in ("-1", "4294967296"):
        problem = plane.refuse("scale", "--deployment", "demo-local", f"--replicas={replicas}")
        check(problem, "MCP0001", "replicas")
    done = plane.run("scale", "--deployment", "demo-local", "--replicas=many")
    assert done.returncode == 2 and "replicas" in done.stderr, done.stderr
    status, body = plane.rest("PATCH", "/v1/deployments/demo-local", {"replicas": -1})
    assert status == 400
    check(body["error"], "MCP0001", "replicas")
    check(plane.refuse("scale", "--deployment", "demo-local", "--replicas", "900"), "MCP0008")


@pytest.mark.usefixtures("unchanged")
def test_files_that_are_no_model(plane: Plane, tmp_path: Path) -> None:
    register = ("model", "register", "--name", "odd", "--version", "1.0", "--path")
    text = tmp_path / "text.gguf"
    text.write_text("once upon a time")
    check(plane.refuse(*register, str(text)), "MCP0001", "gguf")
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(demo_model().read_bytes()[:-1000])
    check(plane.refuse(*register, str(cut)), "MCP0001")
    check(plane.refuse(*register, str(tmp_path / "none.gguf")), "MCP0001", "none.gguf")
    check(plane.refuse(*register, str(tmp_path)), "MCP0001")


@pytest.mark.usefixtures("unchanged")
def test_a_version_is_registered_once(plane: Plane, tmp_path: Path) -> None:
    other = tmp_path / "other.gguf"
    other.write_bytes(demo_model().read_bytes() + b"\0")
    register = ("model", "register", "--name", "demo", "--version", "1.0", "--path", str(other))
    check(plane.refuse(*register), "MCP0005", "demo:1.0")


@pytest.mark.usefixtures("unchanged")
def test_unknown_fields_are_errors(plane: Plane) -> None:
    environment = plane.list("/v1/environments")[0]["name"]
    body = {"model": "demo:1.0", "environment": environment, "replicas": 1, "colour": "red"}
    for path in ("/v1/deployments", "/v1/plans"):
        status, answer = plane.rest("POST", path, body)
        assert status == 400
        check(answer["error"], "MCP0001", "colour")


@pytest.mark.usefixtures("unchanged")
def test_a_wrong_token_sees_nothing(plane: Plane) -> None:
    for token in ("wrong", plane.key):
        status, answer = plane.rest("GET", "/v1/deployments", token=token)
        assert status == 401
        check(answer["error"], "MCP0002")


@pytest.fixture
def website(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address at which it can be downloaded."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    folder = tmp_path / "website"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.usefixtures("unchanged")
def test_a_download_with_another_digest_is_refused_and_removed(plane: Plane, website: tuple[Path, str]) -> None:
    folder, address = website
    (folder / "odd.gguf").write_bytes(demo_model().read_bytes())
    pull = ("model", "pull", f"{address}/odd.gguf", "--name", "odd", "--version", "1.0")
    check(plane.refuse(*pull, "--sha256", "0" * 64), "MCP0001", "sha")
    (folder / "cut.gguf").write_bytes(demo_model().read_bytes()[:-1000])
    digest = hashlib.sha256(demo_model().read_bytes()).hexdigest()
    named = ("--name", "odd", "--version", "1.0")
    check(plane.refuse("model", "pull", f"{address}/cut.gguf", *named, "--sha256", digest), "MCP0001")
    check(plane.refuse("model", "pull", f"{address}/none.gguf", *named), "MCP0004")
    assert not list(plane.data_dir.glob("models/**/*odd*")), "a refused download stays on disk"


def test_a_port_in_use_names_the_port(fresh_plane: Plane) -> None:
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()
        fresh_plane.gateway_port = squatter.getsockname()[1]
        done = fresh_plane.run("up", "--detach", seconds=60)
        assert done.returncode not in (0, 101)
        assert str(fresh_plane.gateway_port) in done.stderr, done.stderr
        assert "panicked" not in done.stderr
        assert not fresh_plane.processes()
