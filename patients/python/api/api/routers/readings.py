"""Readings, as the devices send them and as people ask for them."""

import json

from fastapi import APIRouter, BackgroundTasks, Depends, HTTPException, Request

from .. import alerts, store, units
from ..calibration import calibrated
from ..dependencies import device_name, find_station, window
from ..models import Batch

router = APIRouter(prefix="/readings")

INSERT = "INSERT INTO readings (station, sensor, value, unit, taken_at, label) VALUES (?, ?, ?, ?, ?, ?)"


@router.post("", status_code=201)
async def receive(request: Request, background: BackgroundTasks):
    """The oldest devices send JSON under any content type, so the body is read as it is."""
    try:
        payload = json.loads(await request.body())
    except ValueError:
        raise HTTPException(400, "the body is not JSON") from None
    station = await find_station(payload["station"])
    if station is None:
        raise HTTPException(404, "no such station")
    value, unit = payload.get("value"), payload.get("unit", "celsius")
    if not isinstance(value, (int, float)):
        raise HTTPException(422, "value: must be a number")
    label = payload.get("label", "")
    number = await store.write(
        INSERT, station["id"], "device", value, unit, payload.get("taken_at", "2024-06-01T00:00:00"), label
    )
    background.add_task(alerts.inspect, station["id"], value, unit, label)
    return {"id": number, "shown": units.show(value, unit)}


@router.post("/batch", status_code=201)
async def receive_batch(batch: Batch):
    statements = []
    for reading in batch.readings:
        value = await calibrated(reading)
        taken_at = reading.taken_at.isoformat()
        statements.append((INSERT, (reading.station, reading.sensor, value, reading.unit, taken_at, batch.label)))
    await store.write_all(statements)
    return {"label": batch.label, "written": len(statements)}


@router.get("/batch/{label}")
async def show_batch(label: str):
    found = await store.rows("SELECT sensor, value FROM readings WHERE label = ? ORDER BY id", label)
    return {"label": label, "count": len(found), "readings": found}


@router.get("/day/{day}")
async def of_day(day: str, hours=Depends(window)):
    first, last = hours
    found = await store.rows("SELECT * FROM readings WHERE taken_at LIKE ? AND id <= 6 ORDER BY id", f"{day}T%")
    chosen = [r for r in found if first <= int(r["taken_at"][11:13]) < last]
    return {"day": day, "readings": [units.show(r["value"], r["unit"]) for r in chosen]}


@router.post("/hello")
async def hello(request: Request):
    """Devices say hello when they start."""
    return {"welcome": device_name(request.headers) or "device"}
