"""The official OpenAI Python SDK against the gateway, unchanged but for its base URL."""

from __future__ import annotations

import json
import math

import openai
import pytest
from plane import Plane, call, wait_for

MESSAGES = [
    {"role": "system", "content": "You answer briefly."},
    {"role": "user", "content": "Tell me about the Heron."},
]


def test_a_chat_is_answered_with_text_and_counts(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="demo", messages=MESSAGES, max_tokens=24, temperature=0)
    choice = answer.choices[0]
    assert choice.message.role == "assistant"
    assert choice.message.content and choice.message.content.strip()
    assert choice.finish_reason in ("stop", "length")
    assert answer.usage is not None
    assert 0 < answer.usage.completion_tokens <= 24
    assert answer.usage.prompt_tokens > 4
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.object == "chat.completion" and answer.id and answer.created > 1_700_000_000


def test_a_stream_says_the_same_as_the_whole_answer(client: openai.OpenAI) -> None:
    options = {"model": "demo:1.0", "messages": MESSAGES, "max_tokens": 24, "temperature": 0}
    wanted = client.chat.completions.create(**options)
    pieces, reasons, usage = [], [], None
    stream = client.chat.completions.create(**options, stream=True, stream_options={"include_usage": True})
    for chunk in stream:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            pieces.append(choice.delta.content or "")
            reasons.append(choice.finish_reason)
    assert "".join(pieces) == wanted.choices[0].message.content
    assert len([piece for piece in pieces if piece]) > 1, "the text came in one piece"
    assert [reason for reason in reasons if reason] == [wanted.choices[0].finish_reason]
    # Details differ: the second time, the prompt may come from the replica's cache.
    assert usage is not None and wanted.usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (
        wanted.usage.prompt_tokens,
        wanted.usage.completion_tokens,
    )


def test_the_same_seed_says_the_same_and_sampling_varies(client: openai.OpenAI) -> None:
    def say(seed: int) -> str:
        story = [{"role": "user", "content": "Tell me a story."}]
        answer = client.chat.completions.create(
            model="demo", messages=story, max_tokens=24, temperature=1.0, top_p=0.95, seed=seed
        )
        return answer.choices[0].message.content or ""

    assert say(7) == say(7)
    assert len({say(seed) for seed in range(6)}) > 1


def test_a_completion_continues_the_prompt_and_stops_where_told(client: openai.OpenAI) -> None:
    whole = client.completions.create(
        model="demo", prompt="The Heron is a ship. The Comet", max_tokens=24, temperature=0
    )
    text = whole.choices[0].text
    assert text.strip()
    mark = text.strip().split()[2]
    cut = client.completions.create(
        model="demo", prompt="The Heron is a ship. The Comet", max_tokens=24, temperature=0, stop=[mark]
    )
    assert cut.choices[0].text == text[: text.index(mark)]
    assert cut.choices[0].finish_reason == "stop"


def test_logprobs_come_with_the_tokens(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="demo", messages=MESSAGES, max_tokens=6, temperature=0, logprobs=True, top_logprobs=3
    )
    logprobs = answer.choices[0].logprobs
    assert logprobs and logprobs.content
    for token in logprobs.content:
        assert token.logprob <= 0
        assert len(token.top_logprobs) == 3
        assert token.top_logprobs[0].logprob >= token.top_logprobs[-1].logprob


def test_an_answer_keeps_to_a_json_schema(client: openai.OpenAI) -> None:
    schema = {
        "type": "object",
        "properties": {"animal": {"enum": ["cat", "dog"]}, "happy": {"type": "boolean"}},
        "required": ["animal", "happy"],
        "additionalProperties": False,
    }
    answer = client.chat.completions.create(
        model="demo",
        messages=MESSAGES,
        max_tokens=64,
        temperature=0,
        response_format={"type": "json_schema", "json_schema": {"name": "pet", "schema": schema, "strict": True}},
    )
    pet = json.loads(answer.choices[0].message.content or "")
    assert pet["animal"] in ("cat", "dog") and isinstance(pet["happy"], bool)


def test_embeddings_are_the_same_in_both_encodings(client: openai.OpenAI) -> None:
    texts = ["The Heron sails.", "Nora lights a lamp."]
    packed = client.embeddings.create(model="demo", input=texts)  # The SDK asks for base64 by itself.
    plain = client.embeddings.create(model="demo", input=texts, encoding_format="float")
    assert [row.index for row in packed.data] == [0, 1]
    assert packed.usage.prompt_tokens == plain.usage.prompt_tokens > 4
    for one, other in zip(packed.data, plain.data, strict=True):
        assert len(one.embedding) == len(other.embedding) > 32
        assert all(math.isclose(a, b, abs_tol=1e-5) for a, b in zip(one.embedding, other.embedding, strict=True))
    assert packed.data[0].embedding != packed.data[1].embedding


def test_models_are_listed_by_both_names(client: openai.OpenAI) -> None:
    assert {"demo", "demo:1.0"} <= {model.id for model in client.models.list()}


def test_a_wrong_key_is_refused(plane: Plane) -> None:
    with openai.OpenAI(base_url=f"{plane.gateway}/v1", api_key="sk-" + "x" * 43, max_retries=0) as stranger:
        with pytest.raises(openai.AuthenticationError) as refused:
            stranger.chat.completions.create(model="demo", messages=MESSAGES)
        assert refused.value.code == "invalid_api_key"
        assert "x" * 43 not in str(refused.value), "a key is never repeated"
        with pytest.raises(openai.AuthenticationError):
            stranger.models.list()


def test_an_unknown_model_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        client.chat.completions.create(model="gone", messages=MESSAGES)
    assert refused.value.code == "model_not_found"
    assert "gone" in refused.value.message


@pytest.mark.parametrize(
    "change",
    [{"messages": []}, {"max_tokens": -1}, {"temperature": 9}, {"messages": [{"role": "emperor", "content": "x"}]}],
    ids=["no messages", "negative tokens", "too hot", "no such role"],
)
def test_what_makes_no_sense_is_a_bad_request(client: openai.OpenAI, change: dict) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(**({"model": "demo", "messages": MESSAGES, "max_tokens": 4} | change))
    assert refused.value.type == "invalid_request_error"


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'"text"', b"\xff\xfe", b""], ids=["cut", "list", "text", "bytes", "empty"]
)
def test_malformed_json_is_told_in_the_api_dialect(plane: Plane, body: bytes) -> None:
    status, answer = call("POST", f"{plane.gateway}/v1/chat/completions", body, plane.key)
    assert status == 400
    assert answer["error"]["type"] == "invalid_request_error" and answer["error"]["message"]


def test_a_body_of_33_mb_is_too_large(plane: Plane, client: openai.OpenAI) -> None:
    text = "a" * (33 << 20)
    with pytest.raises((openai.APIStatusError, openai.APIConnectionError)) as refused:
        client.chat.completions.create(model="demo", messages=[{"role": "user", "content": text}])
    # A server may close a connection on which it still receives; where its answer is seen, it is this one.
    if isinstance(refused.value, openai.APIStatusError):
        assert refused.value.status_code == 413
    answer = client.chat.completions.create(model="demo", messages=MESSAGES, max_tokens=2)
    assert answer.choices, "the gateway serves on"


def test_leaving_early_frees_the_replica(plane: Plane, client: openai.OpenAI) -> None:
    def running() -> int:
        urls = [replica["url"] for replica in plane.replicas("demo-local")]
        token = plane.replica_credential()
        return sum(call("GET", f"{url}/health", token=token)[1]["running"] for url in urls)

    with client.chat.completions.create(model="demo", messages=MESSAGES, max_tokens=900, stream=True) as stream:
        next(iter(stream))
    wait_for("no replica works for a client that left", lambda: running() == 0, seconds=60)
