"""The official Python SDK, 2.x: the protocol without a handshake."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
from conversation import HEADERS, URL, converse
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


async def main() -> None:
    async with (
        httpx2.AsyncClient(headers=HEADERS, timeout=60) as http,
        Client(streamable_http_client(URL, http_client=http), mode="auto") as client,
    ):
        tools = (await client.list_tools()).tools

        async def call(tool: str, arguments: dict[str, Any]) -> Any:
            return (await client.call_tool(tool, arguments)).structured_content

        await converse([tool.name for tool in tools], call)


asyncio.run(main())
