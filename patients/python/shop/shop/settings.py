"""Settings read from the environment when they are needed; nothing is cached here."""

import os
from pathlib import Path


def data_folder():
    return Path(os.environ.get("SHOP_DATA", "data")).resolve()


def shop_name():
    return os.environ.get("SHOP_NAME", "Kettle & Leaf")


def currency():
    return os.environ.get("SHOP_CURRENCY", "EUR")


def payment_url():
    return os.environ.get("SHOP_PAYMENT_URL", "http://127.0.0.1:9/charges")


def payment_timeout():
    return float(os.environ.get("SHOP_PAYMENT_TIMEOUT", "2"))
