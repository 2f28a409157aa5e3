"""FastMCP's client."""

from __future__ import annotations

import asyncio
from typing import Any

from conversation import HEADERS, URL, converse
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport


async def main() -> None:
    async with Client(StreamableHttpTransport(URL, headers=HEADERS)) as client:
        tools = await client.list_tools()

        async def call(tool: str, arguments: dict[str, Any]) -> Any:
            return (await client.call_tool(tool, arguments, raise_on_error=False)).structured_content

        await converse([tool.name for tool in tools], call)


asyncio.run(main())
