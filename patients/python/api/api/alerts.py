"""Alerts about readings out of bounds; written after the reading was answered."""

from . import store

LIMITS = {"celsius": (4.0, 38.0), "percent": (15.0, 95.0), "lux": (0.0, 90_000.0)}

SEVERITIES = {"celsius": "urgent", "percent": "soon"}
DEFAULT_SEVERITY = "note"


async def inspect(station, value, unit, label):
    low, high = LIMITS.get(unit, (float("-inf"), float("inf")))
    if low <= value <= high:
        return
    text = f"{label}: {value} {unit}"
    await store.write(
        "INSERT INTO alerts (station, severity, text) VALUES (?, ?, ?)", station, severity_of(unit), text
    )


def severity_of(unit):
    return SEVERITIES[unit]


def colour_of(unit):
    severity = SEVERITIES.get(unit, DEFAULT_SEVERITY)
    return {"urgent": "red", "soon": "yellow", "note": "grey"}[severity]


async def of_station(station_id):
    return await store.rows("SELECT * FROM alerts WHERE station = ? ORDER BY id DESC LIMIT 100", station_id)
