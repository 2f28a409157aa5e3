"""The context window holds: a conversation that is too long loses its oldest turns, and the answer says so."""

from __future__ import annotations

import openai
import pytest
from plane import Plane, call

DROPPED = "x-mcp-context-dropped"


def test_a_long_conversation_keeps_its_system_prompt_and_latest_message(plane: Plane, client: openai.OpenAI) -> None:
    turns = [
        {"role": role, "content": f"Turn {turn}. The cat sat on the mat and looked at the dog for a long time."}
        for turn in range(200)
        for role in ("user", "assistant")
    ]
    messages = [{"role": "system", "content": "You answer briefly."}, *turns, {"role": "user", "content": "Who sat?"}]
    raw = client.chat.completions.with_raw_response.create(model="demo", messages=messages, max_tokens=8)
    answer = raw.parse()
    assert answer.choices[0].message.content is not None
    assert raw.headers[DROPPED], dict(raw.headers)
    window = plane.get("/v1/models/demo:1.0")["context_tokens"]
    assert answer.usage is not None and answer.usage.prompt_tokens + 8 <= window

    short = client.chat.completions.with_raw_response.create(model="demo", messages=messages[-1:], max_tokens=8)
    assert DROPPED not in short.headers


def test_one_message_beyond_the_window_is_refused_with_the_count(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(
            model="demo", messages=[{"role": "user", "content": "cat and dog " * 20_000}], max_tokens=8
        )
    assert refused.value.code == "context_length_exceeded"


def test_counts_are_those_of_the_model_service(plane: Plane, client: openai.OpenAI) -> None:
    prompt = "The cat sat on the mat. Then it rained, and the dog came home."
    answer = client.completions.create(model="demo:1.0", prompt=prompt, max_tokens=1)
    url = plane.replicas("demo-local")[0]["url"]
    wanted = {"content": prompt, "add_special": True}
    status, _ = call("POST", f"{url}/tokenize", wanted)
    assert status == 401, "a replica serves its gateway, and not anybody who finds its port"
    status, counted = call("POST", f"{url}/tokenize", wanted, plane.replica_credential())
    assert status == 200
    assert answer.usage is not None and answer.usage.prompt_tokens == len(counted["tokens"])
