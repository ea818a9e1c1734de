"""What routes depend on: the station of the path, and the wishes a client states in headers and query."""

from urllib.parse import parse_qs

from fastapi import Header, Request

from . import store
from .errors import NotFound


async def station_of_path(station_id: int):
    station = await find_station(station_id)
    if station is None:
        raise NotFound("station")
    return station


async def find_station(station_id):
    return await store.row("SELECT * FROM stations WHERE id = ?", station_id)


async def precision(x_precision: str | None = Header(default=None)):
    """How many digits the client wants after the point."""
    if x_precision is None:
        return 1
    return min(int(x_precision), 6)


async def window(request: Request):
    """`hours=6:18` as a pair of hours, or the whole day."""
    asked = parse_qs(request.url.query).get("hours")
    if not asked:
        return 0, 24
    first, _, last = asked[-1].partition(":")
    return int(first), int(last or 24)


def device_name(headers):
    """The first word of the agent that sent a reading, for the log of devices."""
    agent = headers.get("x-device")
    return agent.split("/")[0].lower()
