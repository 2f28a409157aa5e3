"""`kill -9` of mcp at random moments: the same deployments come back, nothing is orphaned, nothing is doubled."""

from __future__ import annotations

import os
import random
import shutil
import threading

from plane import Plane, call, demo_model, wait_for

ROUNDS = 20
NAME = "demo-local"


def found(plane: Plane) -> dict[str, tuple[str, int]]:
    """Deployments by name, with what identifies each and how many replicas it wants."""
    listed = plane.list("/v1/deployments")
    return {one["name"]: (one["uid"], one["replicas_wanted"]) for one in listed}


def settle(plane: Plane, wanted: int) -> None:
    """Waits until as many replicas are ready as are wanted, each a process of its own, and no process is left over."""

    def whole() -> bool:
        ids = [process.option("instance-id") for process in plane.services()]
        ready = [replica["id"] for replica in plane.replicas(NAME, "ready")]
        return len(ids) == len(set(ids)) == wanted and sorted(ready) == sorted(set(ids))

    wait_for(f"{wanted} replicas, each one process", whole, seconds=60)


def test_mcp_comes_back_from_sigkill_at_any_moment(fresh_plane: Plane) -> None:
    plane = fresh_plane
    seed = int(os.environ.get("MCP_TEST_SEED") or random.SystemRandom().randrange(2**32))
    print(f"seed: {seed} (repeat with MCP_TEST_SEED={seed})")
    draw = random.Random(seed)
    moment = threading.Event()
    plane.up()
    plane.wait_ready(NAME, 3)
    before = found(plane)
    key = plane.key

    for turn in range(ROUNDS):
        uid, replicas = before[NAME]
        wish = draw.choice([None, *(count for count in (1, 2, 3, 4) if count != replicas)])
        command = plane.spawn("scale", "--deployment", NAME, "--replicas", str(wish)) if wish else None
        # The moment is what is drawn: from before the command arrives until long after it took effect.
        moment.wait(draw.uniform(0, 1.0))
        plane.kill(spare=command.pid if command else None)
        acknowledged = command is not None and command.wait(timeout=30) == 0
        if command is not None:
            command.communicate()
        plane.up()
        after = found(plane)
        assert plane.key == key, "the key that was printed first still holds"
        assert set(after) == set(before), f"round {turn}"
        allowed = {wish} if acknowledged else {replicas, wish or replicas}
        assert after[NAME][0] == uid and after[NAME][1] in allowed, f"round {turn}: {after} {allowed}"
        settle(plane, after[NAME][1])
        before = after

    status, answer = call(
        "POST",
        f"{plane.gateway}/v1/chat/completions",
        {"model": "demo", "messages": [{"role": "user", "content": "Tell me about the Heron."}], "max_tokens": 8},
        key,
    )
    assert status == 200 and answer["choices"][0]["message"]["content"]
    plane.down()


def test_a_kill_during_the_first_start_leaves_nothing_doubled(fresh_plane: Plane) -> None:
    plane = fresh_plane
    draw = random.Random(int(os.environ.get("MCP_TEST_SEED") or random.SystemRandom().randrange(2**32)))
    for _ in range(3):
        starting = plane.spawn("up", "--detach")
        wait_for("mcp runs", lambda: plane.processes("mcp"), seconds=60)
        threading.Event().wait(draw.uniform(0, 1.5))  # The moment is what is drawn.
        starting.kill()
        starting.communicate()
        plane.kill()
    plane.up()
    plane.wait_ready(NAME, 3)
    settle(plane, 3)
    plane.down()


def test_a_replica_that_dies_is_replaced(fresh_plane: Plane) -> None:
    plane = fresh_plane
    plane.up()
    plane.wait_ready(NAME, 3)
    victim = plane.services()[0]
    os.kill(victim.pid, 9)

    def replaced() -> bool:
        pids = [process.pid for process in plane.services()]
        return victim.pid not in pids and len(pids) == 3 == len(plane.replicas(NAME, "ready"))

    wait_for("the replica is replaced", replaced, seconds=60)
    plane.down()
    assert not plane.processes()


def test_up_tells_what_serves_when_one_deployment_does_not_come_up(fresh_plane: Plane) -> None:
    plane = fresh_plane
    plane.up()
    plane.wait_ready(NAME, 3)
    file = plane.data_dir.parent / "other.gguf"
    shutil.copyfile(demo_model(), file)
    plane.mcp("model", "register", "--name", "other", "--version", "1.0", "--path", str(file))
    plane.mcp("deploy", "--model", "other:1.0", "--environment", "local", "--yes")
    plane.wait_ready("other-local", 1)
    plane.down()
    file.unlink()
    started = plane.run("up", "--detach", "--timeout", "8")
    assert started.returncode != 0 and "MCP0011" in started.stderr, started
    assert f"gateway: {plane.gateway}" in started.stdout and plane.key not in started.stdout, started
    answer = {"model": "demo", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4}
    status, body = call("POST", f"{plane.gateway}/v1/chat/completions", answer, plane.key)
    assert status == 200, body
    plane.down()
