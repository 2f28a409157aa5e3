"""What every client does with a cloud's server, and the form in which it tells what it saw."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

URL = os.environ["SERVER_URL"]
HEADERS = {"Authorization": f"Bearer {os.environ['TOKEN']}"}
DEPLOY = json.loads(os.environ["DEPLOY"])

Call = Callable[[str, dict[str, Any]], Awaitable[Any]]


async def converse(tools: list[str], call: Call) -> None:
    """Reads, writes with a token, repeats, uses the token for something else, and takes away what it made."""
    seen = {"tools": tools}
    seen["read"] = await call("get_quotas", {})
    seen["write"] = await call("deploy_model", DEPLOY)
    seen["repeat"] = await call("deploy_model", DEPLOY)
    seen["other"] = await call("deploy_model", DEPLOY | {"nodepool": DEPLOY["nodepool"] + "-other"})
    away = {"region": DEPLOY["region"], "nodepool": DEPLOY["nodepool"], "size": 0}
    seen["teardown"] = await call("scale_nodepool", away | {"idempotency_token": DEPLOY["idempotency_token"] + "-away"})
    print(json.dumps(seen))
