"""The weather service: tomorrow's temperature for a station."""

import asyncio
import json
from urllib.parse import urlencode
from urllib.request import urlopen

from . import settings


async def tomorrow(station):
    return await asyncio.get_running_loop().run_in_executor(None, _fetch, station["name"])


def _fetch(name):
    query = urlencode({"place": name})
    with urlopen(f"{settings.forecast_url()}?{query}", timeout=2) as response:
        return json.load(response)["temperature"]
