"""The official OpenAI Node SDK against the gateway."""

from __future__ import annotations

from node import run_node
from plane import Plane


def test_the_node_client_chats_streams_and_is_refused(plane: Plane) -> None:
    seen = run_node("openai_client.cjs", BASE_URL=f"{plane.gateway}/v1", API_KEY=plane.key)
    assert seen["text"].strip()
    assert len(seen["pieces"]) > 1 and "".join(seen["pieces"]) == seen["text"]
    assert seen["usage"]["completion_tokens"] > 0
    assert seen["dimensions"] > 32
    assert {"demo", "demo:1.0"} <= set(seen["models"])
    assert seen["refused"] == {"name": "AuthenticationError", "status": 401}
