"""How programs are run under the agent in tests."""

import os
from pathlib import Path

AGENT = str(Path(__file__).resolve().parent.parent)


def as_arguments(command):
    """The arguments of the interpreter for a command: a script by its path, all else as a module."""
    command = list(command)
    return command if command[0].endswith(".py") else ["-m", *command]


def environment(folder, socket_path, **more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HOMEOSTASIS_", "PYTHON"))}
    kept.update(PYTHONPATH=AGENT, HOMEOSTASIS_ROOT=str(folder), PYTHONUNBUFFERED="1", **more)
    if socket_path:
        kept["HOMEOSTASIS_SOCKET"] = str(socket_path)
    return kept
