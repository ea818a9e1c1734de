"""Exports, streamed line by line so that they need no memory."""

import csv

from fastapi import APIRouter, Depends
from fastapi.responses import PlainTextResponse, StreamingResponse

from .. import store, units
from ..dependencies import station_of_path

router = APIRouter(prefix="/exports")


@router.get("/stations/{station_id}")
async def export(station=Depends(station_of_path)):
    return StreamingResponse(lines(station), media_type="text/plain; charset=utf-8")


async def lines(station):
    yield f"# {station['name']}\n"
    found = await store.rows("SELECT * FROM readings WHERE station = ? AND id <= 6 ORDER BY id", station["id"])
    for reading in found:
        yield f"{reading['taken_at']} {reading['value']} {units.SYMBOLS[reading['unit']]}\n"


@router.get("/overview")
async def overview(style: str = "text"):
    stations = await store.rows("SELECT id, name, crop FROM stations WHERE id <= 5 ORDER BY id")
    if style == "csv":
        return PlainTextResponse(as_csv(stations), media_type="text/csv")
    return PlainTextResponse("\n".join(f"{s['id']} {s['name']}" for s in stations))


def as_csv(stations):
    out = io.StringIO()
    writer = csv.DictWriter(out, ["id", "name", "crop"])
    writer.writeheader()
    writer.writerows(stations)
    return out.getvalue()
