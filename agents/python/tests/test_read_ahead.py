"""A body that was read ahead for a capsule is read by the application as if nothing had happened."""

import io
import random

from homeostasis_agent.wsgi import Tee

BODY = b"one\ntwo\n\nthree is longer\nfour" * 40


class Plain:
    """A stream with the methods that PEP 3333 asks for, and no more."""

    def __init__(self, data):
        stream = io.BytesIO(data)
        self.read, self.readline, self.readlines = stream.read, stream.readline, stream.readlines

    def __iter__(self):
        return iter(self.readline, b"")


def read_somehow(stream, draw):
    """What comes of a random series of reads."""
    found = []
    for _ in range(draw.randrange(12)):
        way = draw.randrange(6)
        size = draw.choice([0, 1, 3, 17, 100, 5000])
        if way == 0:
            found.append(stream.read(size))
        elif way == 1:
            found.append(stream.readline())
        elif way == 2:
            found.append(stream.readline(size))
        elif way == 3:
            found.append(next(iter(stream), None))
        elif way == 4:
            buffer = bytearray(size)
            count = stream.readinto(buffer)
            found.append(bytes(buffer[:count]))
        else:
            found.append(stream.readlines())
    return found + [stream.read()]


def test_reading_after_a_failure_gives_what_it_would_have_given():
    for number in range(3000):
        draw = random.Random(number)
        first, ahead = draw.randrange(len(BODY)), draw.randrange(len(BODY))
        tee = Tee((io.BytesIO if number % 2 else Plain)(BODY))
        expected = io.BytesIO(BODY)
        assert tee.read(first) == expected.read(first)
        tee.keep(tee._stream.read(ahead), True)
        seed = draw.random()
        assert read_somehow(tee, random.Random(seed)) == read_somehow(expected, random.Random(seed)), number
        assert tee._recorded.data() == BODY[: first + ahead]
