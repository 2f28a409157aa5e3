"""Requests that do harm: each kind with fixed examples and some that are drawn from a seed.

A case is a path and the bytes of a body. What is wanted of each is the same: an answer or a refusal that is the
caller's (2xx or 4xx, or 429 and 503 when there is no room), within the time limit, and no harm to anybody else.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

CHAT, COMPLETIONS, EMBEDDINGS = "/v1/chat/completions", "/v1/completions", "/v1/embeddings"
QUESTION = [{"role": "user", "content": "Where is Dusk Quay?"}]


@dataclass(frozen=True)
class Request:
    """One request of the gateway's API."""

    name: str
    path: str
    body: bytes


def chat(name: str, **fields: Any) -> Request:
    body = {"model": "demo", "messages": QUESTION, "max_tokens": 20} | fields
    return Request(name, CHAT, json.dumps(body).encode())


def with_schema(name: str, schema: Any) -> Request:
    wanted = {"type": "json_schema", "json_schema": {"name": "a", "strict": True, "schema": schema}}
    return chat(f"schema-{name}", response_format=wanted, max_tokens=60)


def strict_object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def nested(depth: int, leaf: Any, wrap: str) -> Any:
    for _ in range(depth):
        leaf = {wrap: leaf} if wrap != "anyOf" else {"anyOf": [leaf, leaf]}
    return leaf


def schemas(draw: random.Random) -> Iterator[Request]:
    many = {f"k{at}": {"type": "integer"} for at in range(1_500)}
    yield with_schema("1500-optional", strict_object(many, []))
    yield with_schema("6500-empty", {"type": "object", "properties": {f"k{at}": {} for at in range(6_500)}})
    yield with_schema("unsatisfiable", {"type": "integer", "minimum": 9, "maximum": 1})
    yield with_schema(
        "cyclic-ref", {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}}}
    )
    yield with_schema("deep-items", nested(250, {"type": "integer"}, "items"))
    yield with_schema("deep-not", nested(250, {}, "not"))
    yield with_schema("any-of-tree", nested(14, {"type": "integer"}, "anyOf"))
    yield with_schema("enum-100000", {"enum": [f"value {at}" for at in range(100_000)]})
    yield with_schema("min-items", {"type": "array", "items": {"type": "integer"}, "minItems": 10**9})
    yield with_schema("max-length", {"type": "string", "minLength": 10**6, "maxLength": 10**9})
    yield with_schema("multiple-of", {"type": "number", "multipleOf": 1e-300})
    yield with_schema("false", False)
    patterns = [
        "^(a|a)*$",
        "^(a+)+$",
        "^((a{1,100}){1,100}){1,100}$",
        "^" + "(a?)" * 500 + "$",
        "(?=a)b",
        "[",
        "^\\d{4}$",
    ]
    for at, pattern in enumerate(patterns):
        yield with_schema(f"pattern-{at}", {"type": "string", "pattern": pattern})
    refs = {f"d{at}": {"allOf": [{"$ref": f"#/$defs/d{at + 1}"}] * 2} for at in range(30)} | {
        "d30": {"type": "integer"}
    }
    yield with_schema("ref-fan-out", {"$ref": "#/$defs/d0", "$defs": refs})
    for at in range(4):
        count = draw.randrange(200, 3_000)
        kind = draw.choice(["integer", "string", "boolean", "number"])
        optional = {f"p{draw.randrange(10**9)}": {"type": kind} for _ in range(count)}
        yield with_schema(f"drawn-{at}", strict_object(optional, list(optional)[: draw.randrange(3)]))


def grammars(draw: random.Random) -> Iterator[Request]:
    texts = {
        "ambiguous": "root ::= (" + " ".join(['"a"?'] * 8) + "){50}",
        "nested-repeat": 'root ::= a{100}\na ::= b{100}\nb ::= "x"?\n',
        "token-out-of-range": "root ::= <[99999999]>",
        "left-recursion": 'root ::= root "a" | root root | ""',
        "endless-empty": 'root ::= ("" | "")*',
        "repeat-huge": 'root ::= "a"{1000000000}',
        "repeat-range-huge": "root ::= [a-z]{1,4294967295}",
        "deep-groups": "root ::= " + "(" * 10_000 + '"a"' + ")" * 10_000,
        "no-root": 'start ::= "a"',
        "undefined": "root ::= missing",
        "unclosed": 'root ::= "a',
        "20000-alternates": "root ::= " + " | ".join(f'"{at}"' for at in range(20_000)),
        "nul": 'root ::= "\0"',
    }
    for name, text in texts.items():
        yield chat(f"grammar-{name}", grammar=text)
    for at in range(4):
        letters, times = draw.randrange(2, 12), draw.randrange(10, 2_000)
        part = " ".join(draw.choice(['"a"?', '"b"*', '("a" | "aa")', "[ab]+"]) for _ in range(letters))
        yield chat(f"grammar-drawn-{at}", grammar=f"root ::= ({part}){{{times}}}")


def conversations(draw: random.Random) -> Iterator[Request]:
    turn = b'{"role":"user","content":"hi"}'
    head, tail = b'{"model":"demo","max_tokens":4,"messages":[', b"]}"
    yield Request("turns-200000", CHAT, head + b",".join([turn] * 200_000) + tail)
    yield Request("small-objects-28mb", CHAT, head + b",".join([b'{"a":0}'] * 3_500_000) + tail)
    yield Request(
        "deep-content", CHAT, head + b'{"role":"user","content":' + b"[" * 100_000 + b"]" * 100_000 + b"}" + tail
    )
    yield Request("deep-body", CHAT, b'{"a":' * 50_000 + b"0" + b"}" * 50_000)
    yield chat("one-long-word", messages=[{"role": "user", "content": "a" * 4_000_000}])
    yield chat("control-text", messages=[{"role": "user", "content": "<|im_end|>" * 100_000}])
    yield chat("parts-100000", messages=[{"role": "user", "content": [{"type": "text", "text": "a"}] * 100_000}])
    yield chat("message-as-array", messages=[["user", "Hi"]])
    yield chat("surrogates", messages=[{"role": "user", "content": "\ud800\ud800 \x00 \u202e"}])
    for at in range(3):
        words = draw.randrange(1_000, 60_000)
        yield chat(f"turns-drawn-{at}", messages=[{"role": draw.choice(["user", "assistant"]), "content": "x"}] * words)


def parameters(draw: random.Random) -> Iterator[Request]:
    yield chat("stop-100000", stop=[f"s{at}" for at in range(100_000)])
    yield chat("stop-null", stop=[None])
    yield chat("stop-long", stop="s" * 1_000_000)
    yield chat("logit-bias-100000", logit_bias={str(at): 1 for at in range(100_000)})
    yield chat("logit-bias-odd", logit_bias={"-1": 100, "x": 1e308, "99999999999999999999": 1})
    yield chat("n-huge", n=10**9)
    yield chat("max-tokens-huge", max_tokens=2**62)
    yield chat("top-k-negative", top_k=-(2**40), temperature=1e308, top_p=-1, seed=2**70)
    yield chat("tools-10000", tools=[{"type": "function", "function": {"name": f"f{at}"}} for at in range(10_000)])
    prompts = {"prompts-50000": ["a"] * 50_000, "prompt-tokens": [10**9] * 10, "prompt-odd": [[1], "a", None]}
    for name, prompt in prompts.items():
        yield Request(name, COMPLETIONS, json.dumps({"model": "demo", "prompt": prompt, "max_tokens": 4}).encode())
    inputs = {"embed-long": "x " * 500_000, "embed-100000": ["x"] * 100_000, "embed-odd": [[[]]]}
    for name, one in inputs.items():
        yield Request(name, EMBEDDINGS, json.dumps({"model": "demo", "input": one}).encode())
    for at in range(4):
        junk = {f"f{draw.randrange(10**6)}": draw.random() for _ in range(draw.randrange(1, 20_000))}
        yield chat(f"fields-drawn-{at}", **junk)


def all_of(seed: int) -> list[Request]:
    """Every request, in an order drawn from the seed."""
    draw = random.Random(seed)
    found = [*schemas(draw), *grammars(draw), *conversations(draw), *parameters(draw)]
    draw.shuffle(found)
    return found


def from_file(lines: str) -> list[Request]:
    """More requests: JSON objects, one a line, with `id`, `path` and `body`. Bodies only described are skipped."""
    rows = [json.loads(line) for line in lines.splitlines() if line.strip()]
    return [
        Request(f"file-{row['id']}", row["path"], json.dumps(row["body"]).encode())
        for row in rows
        if "generate" not in row["body"]
    ]
