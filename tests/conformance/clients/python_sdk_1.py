"""The official Python SDK, 1.x: the protocol with a handshake."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from conversation import HEADERS, URL, converse
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client


async def main() -> None:
    async with (
        streamablehttp_client(URL, headers=HEADERS) as (read, write, _),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        tools = (await session.list_tools()).tools

        async def call(tool: str, arguments: dict[str, Any]) -> Any:
            result = await session.call_tool(tool, arguments)
            return result.structuredContent or json.loads(result.content[0].text)

        await converse([tool.name for tool in tools], call)


asyncio.run(main())
