"""Figures over readings, computed in memory from rows that were already read."""


def average(readings):
    return sum(reading["value"] for reading in readings) / len(readings)


def span(readings):
    if not readings:
        return 0.0
    values = [reading["value"] for reading in readings]
    return max(values) - min(values)


def newest(readings):
    """The value taken last, or None."""
    latest = sorted(readings, key=lambda reading: reading["taken_at"])[-1]
    return latest["value"]


def first(readings):
    if not readings:
        return None
    return min(readings, key=lambda reading: reading["taken_at"])["value"]


def trend(readings):
    """Whether the values rise, fall or stay, from the first to the last reading."""
    if not readings:
        return "unknown"
    change = readings[-1]["value"] - readings[0]["value"]
    if change > 0.5:
        word = "rising"
    elif change < -0.5:
        word = "falling"
    elif len(readings) > 1:
        word = "steady"
    return word
