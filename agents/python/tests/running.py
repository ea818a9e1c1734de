"""How programs are run under the agent in tests."""

import os
from pathlib import Path

AGENT = str(Path(__file__).resolve().parent.parent)


def environment(folder, socket_path, **more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HOMEOSTASIS_", "PYTHON"))}
    kept.update(PYTHONPATH=AGENT, HOMEOSTASIS_ROOT=str(folder), PYTHONUNBUFFERED="1", **more)
    if socket_path:
        kept["HOMEOSTASIS_SOCKET"] = str(socket_path)
    return kept
