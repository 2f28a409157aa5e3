"""Runs one of the Node programs beside it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any


def run_node(program: str, **environment: str) -> Any:
    """Runs `program` and parses what it prints. NODE_PATH and node come from `make test`."""
    done = subprocess.run(
        ["node", Path(__file__).parent / program],
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
