"""LangGraph with langchain-mcp-adapters: each call is a node of a graph."""

from __future__ import annotations

import asyncio
import json
from typing import Any, TypedDict

from conversation import HEADERS, URL, converse
from langchain_core.tools import ToolException
from langchain_mcp_adapters.client import MultiServerMCPClient
from langgraph.graph import END, START, StateGraph


class State(TypedDict):
    tool: str
    arguments: dict[str, Any]
    answer: str


async def main() -> None:
    server = {"transport": "streamable_http", "url": URL, "headers": HEADERS}
    tools = {tool.name: tool for tool in await MultiServerMCPClient({"cloud": server}).get_tools()}

    async def node(state: State) -> dict[str, str]:
        try:
            answer = await tools[state["tool"]].ainvoke(state["arguments"])
        except ToolException as refused:
            return {"answer": str(refused)}
        return {"answer": answer if isinstance(answer, str) else answer[0]["text"]}

    graph = StateGraph(State)
    graph.add_node("call", node)
    graph.add_edge(START, "call")
    graph.add_edge("call", END)
    compiled = graph.compile()

    async def call(tool: str, arguments: dict[str, Any]) -> Any:
        return json.loads((await compiled.ainvoke({"tool": tool, "arguments": arguments, "answer": ""}))["answer"])

    await converse(list(tools), call)


asyncio.run(main())
