"""Counts the agent's own errors and turns the agent off when there are too many; it never reports failures of the program."""

import os

LIMIT = 10

# Hot paths read this flag directly, so it is a module variable and not a call.
enabled = True
errors = 0


def failed(where):
    """Take note of an exception of ours that is being handled, so that the program never sees it."""
    global enabled, errors
    errors += 1
    if errors >= LIMIT:
        enabled = False
    if os.environ.get("HOMEOSTASIS_DEBUG"):
        import sys
        import traceback

        try:
            sys.stderr.write("homeostasis agent, %s:\n%s" % (where, traceback.format_exc()))
        except Exception:
            pass
