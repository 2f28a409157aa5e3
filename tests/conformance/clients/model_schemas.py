"""The tools' schemas through the converters of four makers of models: nothing is refused, and nothing said gets lost.

Reads the catalogue from stdin; prints the names that each converter took, and what it changed.
"""

from __future__ import annotations

import copy
import json
import sys
from typing import Any

from agents.strict_schema import ensure_strict_json_schema
from google.genai import types
from langchain_anthropic.chat_models import convert_to_anthropic_tool
from langchain_core.utils.function_calling import convert_to_openai_tool


def openai_strict(tool: dict[str, Any]) -> dict[str, Any]:
    function = {"name": tool["name"], "description": tool["description"], "parameters": tool["inputSchema"]}
    return convert_to_openai_tool(function, strict=True)["function"]["parameters"]


def openai_agents(tool: dict[str, Any]) -> dict[str, Any]:
    return ensure_strict_json_schema(tool["inputSchema"])


def anthropic(tool: dict[str, Any]) -> dict[str, Any]:
    function = {"name": tool["name"], "description": tool["description"], "parameters": tool["inputSchema"]}
    return convert_to_anthropic_tool(function)["input_schema"]


def gemini(tool: dict[str, Any]) -> dict[str, Any]:
    schema = types.JSONSchema.model_validate(without_annotations(tool["inputSchema"]))
    strictly = {"api_option": "GEMINI_API", "raise_error_on_unsupported_field": True}
    converted = types.Schema.from_json_schema(json_schema=schema, **strictly)
    types.FunctionDeclaration(name=tool["name"], description=tool["description"], parameters=converted)
    return converted.model_dump(exclude_none=True, mode="json")


def without_annotations(schema: Any) -> Any:
    """A schema without what is said to MCP clients, and not to models."""
    if isinstance(schema, dict):
        return {name: without_annotations(part) for name, part in schema.items() if name != "x-mcp-header"}
    return [without_annotations(part) for part in schema] if isinstance(schema, list) else schema


def shape(schema: dict[str, Any]) -> Any:
    """What a schema says of names, types and values, in whichever way a converter writes it."""
    kinds = schema.get("type", [])
    kinds = {str(kind).lower().removeprefix("type.") for kind in ([kinds] if isinstance(kinds, str) else kinds)}
    for other in schema.get("anyOf", schema.get("any_of", [])) or []:
        kinds |= {str(other.get("type", "")).lower()}
    found: dict[str, Any] = {"types": sorted(kinds - {"null"})}
    values = [value for value in schema.get("enum") or [] if value is not None]
    if values:
        found["enum"] = values
    if schema.get("properties"):
        found["properties"] = {name: shape(part) for name, part in schema["properties"].items()}
    if schema.get("items"):
        found["items"] = shape(schema["items"])
    return found


def main() -> None:
    seen: dict[str, Any] = {}
    tools = json.load(sys.stdin)
    for convert in (openai_strict, openai_agents, anthropic, gemini):
        taken, wrong = [], {}
        for tool in tools:
            try:
                converted = convert(copy.deepcopy(tool))
            except Exception as refused:
                wrong[tool["name"]] = f"{type(refused).__name__}: {refused}"
                continue
            if shape(converted) == shape(tool["inputSchema"]):
                taken.append(tool["name"])
            else:
                wrong[tool["name"]] = f"changed: {shape(tool['inputSchema'])} into {shape(converted)}"
        seen[convert.__name__] = {"taken": taken, "wrong": wrong}
    print(json.dumps(seen))


main()
