"""Numbers and identifiers drawn at random: recorded as they are drawn, and drawn again in the same order.

Patched is what the functions of `random` are made of (`random` and `getrandbits` of its one hidden generator) and
`uuid.uuid1` and `uuid4`. Generators that the program makes, and `secrets`, draw anew in a replay: what they make are
mostly secrets, and those stay in the process.
"""

from .recording import draw

# What is still to be drawn, by source, in the order of drawing.
_waiting = {}


def described(draws):
    return {"kind": "draws", "draws": [[source, value if type(value) is str else repr(value)] for source, value in draws]}


def give(recorded):
    """Draw these from now on; what is drawn beyond them is as good as any."""
    _waiting.clear()
    for record in recorded:
        for source, value in record["draws"]:
            _waiting.setdefault(source, []).append(value)
    for values in _waiting.values():
        values.reverse()


def _next(source):
    values = _waiting.get(source)
    return values.pop() if values else None


def record_random(module):
    """The functions of the module share one generator, and all of them come down to these two of it."""
    generator = module._inst
    draw_float, draw_bits = generator.random, generator.getrandbits

    def random():
        """random() -> x in the interval [0, 1)."""
        value = draw_float()
        draw("random", value)
        return value

    def getrandbits(k):
        """getrandbits(k) -> x.  Generates an int with k random bits."""
        value = draw_bits(k)
        draw("getrandbits", value)
        return value

    _put(module, generator, random, getrandbits)


def replay_random(module):
    generator = module._inst
    draw_float, draw_bits = generator.random, generator.getrandbits

    def random():
        value = _next("random")
        return float(value) if value is not None else draw_float()

    def getrandbits(k):
        value = _next("getrandbits")
        if value is None or int(value) >> k:
            return draw_bits(k)
        return int(value)

    _put(module, generator, random, getrandbits)


def _put(module, generator, random, getrandbits):
    generator.random = module.random = random
    generator.getrandbits = module.getrandbits = getrandbits


def record_uuid(module):
    for name in ("uuid1", "uuid4"):
        setattr(module, name, _recording_uuid(name, getattr(module, name)))


def _recording_uuid(name, original):
    from functools import wraps

    @wraps(original)
    def drawn(*arguments, **named):
        value = original(*arguments, **named)
        draw(name, str(value))
        return value

    return drawn


def replay_uuid(module):
    for name in ("uuid1", "uuid4"):
        setattr(module, name, _replaying_uuid(name, getattr(module, name), module.UUID))


def _replaying_uuid(name, original, class_):
    from functools import wraps

    @wraps(original)
    def drawn(*arguments, **named):
        value = _next(name)
        try:
            return class_(value)
        except (ValueError, TypeError):
            # None was drawn, or it was a secret and is masked.
            return original(*arguments, **named)

    return drawn
