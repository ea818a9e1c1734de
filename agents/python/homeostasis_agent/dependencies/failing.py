"""Questions that ended with an exception: the exception with those that it came from as plain data, and made again from it."""

from . import errors

MAX_LINKS = 6


def described(error, during):
    """As an answer; `during` says how far the question had got."""
    chain = []
    link = error
    while len(chain) < MAX_LINKS:
        cause, context = link.__cause__, link.__context__
        following = cause if cause is not None else None if link.__suppress_context__ else context
        if following is None:
            break
        chain.append({"relation": "cause" if cause is not None else "context", "error": errors.described(following)})
        link = following
    return {"error": errors.described(error), "during": during, "chain": chain}


def made(answer):
    """The exception of such an answer, with those that it came from."""
    return with_chain(errors.made(answer["error"]), answer)


def with_chain(error, answer):
    link = error
    for entry in answer.get("chain", ()):
        following = errors.made(entry["error"])
        if entry["relation"] == "cause":
            link.__cause__ = following
        else:
            link.__context__ = following
        link = following
    return error


def was_cancelled(answer):
    """Did the program itself give up waiting?"""
    return answer["error"]["class"].endswith(".CancelledError")


async def happen(answer):
    """Raise it; where the program gave up waiting, let it wait until it does so again."""
    if was_cancelled(answer):
        from asyncio import Event

        await Event().wait()
    raise made(answer)
