"""Settings read from the environment when they are needed; nothing is cached here."""

import os
from pathlib import Path
from zoneinfo import ZoneInfo


def data_folder():
    return Path(os.environ.get("API_DATA", "data")).resolve()


def timezone():
    return ZoneInfo(os.environ.get("API_TIMEZONE", "UTC"))


def forecast_url():
    return os.environ.get("API_FORECAST_URL", "http://127.0.0.1:9/forecast")
