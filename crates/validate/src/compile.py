"""Compiles the files named in a JSON list and writes what the interpreter said to each; it imports none of them."""

import json
import sys

said = []
with open(sys.argv[1], encoding="utf-8") as file:
    paths = json.load(file)
for path in paths:
    error = None
    if path.endswith(".py"):
        try:
            with open(path, "rb") as source:
                compile(source.read(), path, "exec", dont_inherit=True)
        except (SyntaxError, ValueError, OSError, RecursionError, MemoryError) as failure:
            error = "%s: %s" % (type(failure).__name__, failure)
    said.append({"path": path, "error": error})
with open(sys.argv[2], "w", encoding="utf-8") as file:
    json.dump(said, file)
