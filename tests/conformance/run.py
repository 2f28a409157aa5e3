"""The official conformance tool and nine clients against the servers, and the tool's scenarios against our client.

The last line counts: `mcp-conformance server=N/N client=N/N clients=N/N`. `scripts/conformance-mcp` prepares it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

import proxy
from checks import APPLIES, HERE, Count, node_bin, run
from plane import Plane, bin_dir, wait_for

REVISIONS = ("2026-07-28", "2025-11-25")
EXAMPLES = bin_dir() / "examples"
# Each client: its name, the environment it runs in, and its program.
CLIENTS = (
    ("python-sdk-1.13", "oldest", "python_sdk_1.py"),
    ("python-sdk-1.30", "legacy", "python_sdk_1.py"),
    ("python-sdk-2.3", "modern", "python_sdk_2.py"),
    ("fastmcp", "modern", "fastmcp_client.py"),
    ("langgraph", "legacy", "langgraph_client.py"),
    ("typescript-sdk-1.17", "sdk-older", "typescript_sdk_1.mjs"),
    ("typescript-sdk-1.32", "@modelcontextprotocol/sdk", "typescript_sdk_1.mjs"),
    ("typescript-sdk-2.4", "", "typescript_sdk_2.mjs"),
    ("inspector", "", None),
)


class ForPages(Plane):
    """A plane whose cloud may be called from pages of this machine, as one of the tool's checks does."""

    @property
    def environment(self) -> dict[str, str]:
        config = self.data_dir.parent / "mcp.toml"
        config.write_text('[local_server]\norigins = ["http://localhost:*", "http://127.0.0.1:*"]\n')
        return super().environment | {"MCP_CONFIG": str(config)}


def servers(plane: Plane, out: Path, count: Count) -> None:
    """The tool against the fixture, which lets everybody in, and the local cloud behind a proxy with a token."""
    fixture = subprocess.Popen([EXAMPLES / "conformance_server"], stdout=subprocess.PIPE, text=True)
    try:
        assert fixture.stdout is not None
        url = fixture.stdout.readline().strip()
        for revision in REVISIONS:
            arguments = ["server", "--url", url, "--requirements", revision]
            run(arguments, out / f"fixture-{revision}", "fixture", count, f"fixture {revision}")
    finally:
        fixture.kill()
        fixture.wait()
    behind, url = proxy.start(f"{plane.cloud}/local/mcp", plane.cloud_token())
    for revision in REVISIONS:
        arguments = ["server", "--url", url, "--requirements", revision]
        run(arguments, out / f"cloud-{revision}", "cloud", count, f"cloud {revision}")
    behind.shutdown()


def client(out: Path, count: Count) -> None:
    """The tool's scenarios against our client, which speaks the newest revision."""
    command = str(EXAMPLES / "conformance_client")
    # One by one: the tool itself ends when a client sends a token that it did not give, in scenarios that do not apply.
    for scenario in APPLIES["client"]["only"]:
        arguments = ["client", "--command", command, "--scenario", scenario, "--spec-version", REVISIONS[0]]
        run(arguments, out / "client" / scenario, "client", count, "client")


def clients(plane: Plane, count: Count) -> None:
    """Each client lists, reads, writes, repeats, reuses a token, and takes away what it made."""
    model = plane.get("/v1/models/demo:1.0")
    resources = plane.list("/v1/environments")[0]["resources"]
    for name, environment, program in CLIENTS:
        deploy = {
            "region": free_region(plane),
            "nodepool": f"of-{name}",
            "model": "demo:1.0",
            "artifact": model["path"],
            "digest": model["digest"],
            "replicas": 1,
            "resources": resources,
            "idempotency_token": f"conformance-{name}",
        }
        try:
            seen = converse(plane, environment, program, deploy)
        except (AssertionError, ValueError, subprocess.TimeoutExpired) as failed:
            count.add(name, False, str(failed))
            continue
        for what, held in judged(seen).items():
            count.add(f"{name} {what}", held, json.dumps(seen.get(what.split()[0])))


def free_region(plane: Plane) -> str:
    """A region with room for one more instance; what earlier clients made is still going away."""

    def free() -> str:
        quotas = plane.json("tool", "call", "local", "get_quotas")["resource"]["quotas"]
        return next((quota["region"] for quota in quotas if quota["used"] < quota["limit"]), "")

    return wait_for("a region has room", free)


def judged(seen: dict[str, Any]) -> dict[str, bool]:
    """What a conversation must come to."""
    first, second = (seen[name].get("operation", {}) for name in ("write", "repeat"))
    return {
        "tools listed": {"get_quotas", "deploy_model", "scale_nodepool", "get_operation"} <= set(seen["tools"]),
        "read": seen["read"]["status"] == "succeeded" and len(seen["read"]["resource"]["quotas"]) == 3,
        "write": seen["write"]["status"] in ("accepted", "succeeded") and not first["replayed"],
        "repeat": second.get("id") == first["id"] and second["replayed"],
        "other arguments are a conflict": seen["other"].get("error", {}).get("code") == "MCP0005",
        "teardown": seen["teardown"]["status"] in ("accepted", "succeeded"),
    }


def converse(plane: Plane, environment: str, program: str | None, deploy: dict[str, Any]) -> dict[str, Any]:
    url, token = f"{plane.cloud}/local/mcp", plane.cloud_token()
    if program is None:
        return inspect(url, token, deploy)
    home = os.environ["CONFORMANCE_NODE"]
    variables = {"SERVER_URL": url, "TOKEN": token, "DEPLOY": json.dumps(deploy), "NODE_HOME": home, "SDK": environment}
    is_python = program.endswith(".py")
    interpreter = f"{os.environ['CONFORMANCE_PYTHON']}/{environment}/bin/python" if is_python else "node"
    done = subprocess.run(
        [interpreter, HERE / "clients" / program],
        env=os.environ | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, f"exit {done.returncode}: {done.stderr[-2000:]}"
    return json.loads(done.stdout.splitlines()[-1])


def inspect(url: str, token: str, deploy: dict[str, Any]) -> dict[str, Any]:
    """The Inspector's command line: one process a call."""

    def ask(*arguments: str) -> Any:
        fixed = ["--cli", url, "--transport", "http", "--header", f"Authorization: Bearer {token}", "--format", "json"]
        done = subprocess.run(
            [node_bin("mcp-inspector"), *fixed, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        # 5 says that a tool failed, as it shall.
        assert done.returncode in (0, 5), f"exit {done.returncode}: {done.stderr[-1000:]}"
        answer = json.loads(done.stdout)
        return answer.get("result", answer)

    def call(tool: str, arguments: dict[str, Any]) -> Any:
        given = [
            f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in arguments.items()
        ]
        result = ask("--method", "tools/call", "--tool-name", tool, *(x for one in given for x in ("--tool-arg", one)))
        return result["structuredContent"]

    away = {"region": deploy["region"], "nodepool": deploy["nodepool"], "size": 0}
    return {
        "tools": [tool["name"] for tool in ask("--method", "tools/list")["tools"]],
        "read": call("get_quotas", {}),
        "write": call("deploy_model", deploy),
        "repeat": call("deploy_model", deploy),
        "other": call("deploy_model", deploy | {"nodepool": "of-another"}),
        "teardown": call("scale_nodepool", away | {"idempotency_token": "conformance-inspector-away"}),
    }


def schemas(count: Count) -> None:
    """All tools of the contract through the converters of four makers of models."""
    catalog = subprocess.run([EXAMPLES / "catalog"], capture_output=True, text=True, timeout=60, check=True).stdout
    python = f"{os.environ['CONFORMANCE_PYTHON']}/models/bin/python"
    program = [python, HERE / "clients" / "model_schemas.py"]
    done = subprocess.run(program, input=catalog, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    for converter, seen in json.loads(done.stdout).items():
        for tool in seen["taken"]:
            count.add(f"{converter} {tool}", True)
        for tool, found in seen["wrong"].items():
            count.add(f"{converter} {tool}", False, found)


def main() -> int:
    server, ours, theirs = Count(), Count(), Count()
    with tempfile.TemporaryDirectory() as folder:
        plane = ForPages(Path(folder) / "data")
        try:
            plane.up()
            servers(plane, Path(folder), server)
            client(Path(folder), ours)
            clients(plane, theirs)
            schemas(theirs)
        finally:
            plane.wipe()
    for wrong in server.wrong + ours.wrong + theirs.wrong:
        print(wrong)
    print(f"mcp-conformance server={server} client={ours} clients={theirs}")
    return int(bool(server.wrong or ours.wrong or theirs.wrong))


if __name__ == "__main__":
    sys.exit(main())
