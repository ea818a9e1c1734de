"""Raw sensor values to true ones; every sensor has its own offset and factor on record."""

from . import store
from .errors import NotFound


async def calibrated(reading):
    sensor = await store.row("SELECT * FROM sensors WHERE name = ?", reading.sensor)
    if sensor is None:
        raise NotFound("sensor")
    calibration = await store.row("SELECT * FROM calibrations WHERE sensor = ?", sensor["name"])
    return reading.value * calibration["factor"] + calibration["offset"]
