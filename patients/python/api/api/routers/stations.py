"""Stations: what they are, how they do, and the notes of the gardeners."""

import json
import os
from datetime import datetime
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends

from .. import alerts, forecast, settings, statistics, store, units
from ..dependencies import find_station, precision, station_of_path
from ..models import NewStation, Station

router = APIRouter(prefix="/stations")


@router.get("")
async def index() -> list[Station]:
    return await store.rows("SELECT id, name, crop FROM stations ORDER BY id LIMIT 20")


@router.post("", status_code=201)
async def create(station: NewStation) -> Station:
    number = await store.write("INSERT INTO stations (name, crop) VALUES (?, ?)", station.name, station.crop)
    return Station(id=number, name=station.name, crop=station.crop)


@router.get("/{station_id}")
async def show(station=Depends(station_of_path)):
    return {"id": station["id"], "name": station["name"], "crop": station["crop"], "gardener": station["gardener"]}


@router.get("/{station_id}/status")
async def status(station_id: int):
    station = await find_station(station_id)
    latest = await readings_of(station_id)
    return {"station": station["name"], "readings": len(latest), "trend": statistics.trend(latest)}


@router.get("/{station_id}/plan")
async def plan(station=Depends(station_of_path)):
    return {"station": station["name"], "plan": json.loads(station["plan"])}


@router.get("/{station_id}/gardener")
async def gardener(station=Depends(station_of_path)):
    return {"station": station["name"], "badge": badge(station["gardener"])}


@router.get("/{station_id}/history")
async def history(station=Depends(station_of_path), since: str = "2024-01-01"):
    start = datetime.fromisoformat(since)
    readings = await readings_of(station["id"])
    recent = [r for r in readings if datetime.fromisoformat(r["taken_at"]) >= start]
    return {"station": station["name"], "values": [r["value"] for r in recent], "span": statistics.span(recent)}


@router.get("/{station_id}/average")
async def average(station=Depends(station_of_path), digits: int = Depends(precision)):
    readings = await readings_of(station["id"])
    return {"station": station["name"], "average": round(statistics.average(readings), digits)}


@router.get("/{station_id}/extremes")
async def extremes(station=Depends(station_of_path), unit: str = "celsius"):
    readings = await readings_of(station["id"])
    first = statistics.first(readings)
    newest = statistics.newest(readings)
    if unit != "celsius" and readings:
        first = units.convert(first, "celsius", unit)
        newest = units.convert(newest, unit)
    return {"station": station["name"], "first": first, "newest": newest, "unit": unit}


@router.get("/{station_id}/clock")
async def clock(station=Depends(station_of_path), zone: str | None = None):
    local = ZoneInfo(zone or os.environ["API_TIMEZONE"])
    shown = datetime(2024, 5, 1, 12, tzinfo=settings.timezone()).astimezone(local)
    return {"station": station["name"], "zone": local.key, "noon": shown.isoformat()}


@router.get("/{station_id}/forecast")
async def tomorrow(station=Depends(station_of_path), offline: bool = False):
    if offline:
        return {"station": station["name"], "tomorrow": None}
    return {"station": station["name"], "tomorrow": await forecast.tomorrow(station)}


@router.get("/{station_id}/alerts")
async def list_alerts(station=Depends(station_of_path)):
    found = await alerts.of_station(station["id"])
    return {"alerts": [{"severity": alert["severity"], "text": alert["text"]} for alert in found]}


@router.post("/{station_id}/notes", status_code=201)
async def add_note(payload: dict, station=Depends(station_of_path)):
    text = note_text(payload)
    number = await store.write("INSERT INTO notes (station, text) VALUES (?, ?)", station["id"], text)
    return {"id": number, "text": text}


@router.get("/{station_id}/notes")
async def notes(station=Depends(station_of_path)):
    found = await store.rows("SELECT text FROM notes WHERE station = ? ORDER BY id DESC LIMIT 100", station["id"])
    return {"notes": [note["text"] for note in found]}


def note_text(payload):
    author = payload.get("author")
    text = payload["text"].strip()
    return f"{author}: {text}" if author else text


def badge(name):
    return name.upper()[:3]


async def readings_of(station_id):
    return await store.rows("SELECT * FROM readings WHERE station = ? ORDER BY taken_at LIMIT 1000", station_id)
