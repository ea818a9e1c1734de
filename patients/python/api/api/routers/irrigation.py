"""Watering: within the station's budget, through one of its valves, which open for whole minutes."""

from fastapi import APIRouter, HTTPException

from .. import store
from ..dependencies import find_station
from ..errors import InvariantError, NotFound
from ..models import Watering

router = APIRouter(prefix="/waterings")


@router.post("", status_code=201)
async def water(watering: Watering):
    station = await find_station(watering.station)
    if station is None:
        raise NotFound("station")
    if watering.litres > station["budget"]:
        raise HTTPException(409, f"only {station['budget']} litres left")
    valve = await choose_valve(station)
    minutes = -(-watering.litres // valve["flow"])
    check_budget(station, minutes * valve["flow"])
    number = await store.write(
        "INSERT INTO waterings (station, valve, litres, label) VALUES (?, ?, ?, ?)",
        station["id"],
        valve["id"],
        watering.litres,
        watering.label,
    )
    return {"id": number, "valve": valve["id"], "minutes": minutes}


@router.get("")
async def by_label(label: str):
    found = await store.rows("SELECT station, valve, litres FROM waterings WHERE label = ?", label)
    return {"count": len(found), "waterings": found}


async def choose_valve(station):
    """The valve with the greatest flow."""
    valves = await store.rows("SELECT * FROM valves WHERE station = ? ORDER BY flow DESC", station["id"])
    return valves[0]


def check_budget(station, litres):
    left = station["budget"] - litres
    if left < 0:
        raise InvariantError(f"station {station['id']} would owe {-left} litres")
