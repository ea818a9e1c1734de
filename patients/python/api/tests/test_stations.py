"""Stations, seen from outside."""

import pytest


def test_all_stations_are_listed(client):
    stations = client.get("/stations").json()
    assert stations[0] == {"id": 1, "name": "North house", "crop": "tomatoes"}
    assert len(stations) == 5


def test_a_station_can_be_added(client):
    response = client.post("/stations", json={"name": "Shed"})
    assert response.status_code == 201
    assert client.get(f"/stations/{response.json()['id']}").json()["crop"] == "mixed"


def test_a_station_needs_a_name(client):
    assert client.post("/stations", json={"name": ""}).status_code == 422


@pytest.mark.parametrize("page", ["", "/plan", "/history", "/average", "/alerts", "/notes", "/gardener"])
def test_an_unknown_station_is_not_found(client, page):
    response = client.get(f"/stations/99{page}")
    assert response.status_code == 404
    assert response.json() == {"detail": "no such station"}


def test_the_status_tells_the_trend(client):
    assert client.get("/stations/1/status").json() == {"station": "North house", "readings": 3, "trend": "rising"}
    assert client.get("/stations/3/status").json()["trend"] == "unknown"


def test_the_plan_is_shown(client):
    assert client.get("/stations/1/plan").json()["plan"] == {"target": 22, "shade": True}


def test_the_gardener_has_a_badge(client):
    assert client.get("/stations/1/gardener").json()["badge"] == "MIR"


def test_the_history_begins_where_asked(client):
    history = client.get("/stations/1/history?since=2024-05-01T12:00:00").json()
    assert history == {"station": "North house", "values": [24.0, 22.0], "span": 2.0}


def test_the_history_of_a_new_station_is_empty(client):
    assert client.get("/stations/3/history").json() == {"station": "Nursery", "values": [], "span": 0.0}


def test_the_average_has_the_precision_asked_for(client):
    assert client.get("/stations/1/average").json()["average"] == 22.0
    assert client.get("/stations/2/average", headers={"X-Precision": "3"}).json()["average"] == 23.5


def test_extremes_are_in_celsius(client):
    extremes = client.get("/stations/1/extremes").json()
    assert extremes == {"station": "North house", "first": 20.0, "newest": 22.0, "unit": "celsius"}


def test_the_clock_shows_noon_in_another_zone(client):
    assert client.get("/stations/1/clock?zone=Europe/Berlin").json()["noon"] == "2024-05-01T14:00:00+02:00"


def test_the_forecast_can_be_skipped(client):
    assert client.get("/stations/1/forecast?offline=true").json()["tomorrow"] is None


def test_notes_are_kept_with_their_author(client):
    assert client.post("/stations/1/notes", json={"author": "Mira", "text": " Prune. "}).status_code == 201
    assert client.get("/stations/1/notes").json() == {"notes": ["Mira: Prune."]}
