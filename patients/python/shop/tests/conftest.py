"""A fresh shop with its own database for each test; nothing here reaches the network."""

import os
import tempfile

import pytest

os.environ["SHOP_DATA"] = tempfile.mkdtemp(prefix="shop-")

import shop  # noqa: E402


@pytest.fixture
def client(tmp_path, monkeypatch):
    monkeypatch.setenv("SHOP_DATA", str(tmp_path))
    return shop.create_app().test_client()
