"""Readings, alerts, irrigation and exports, seen from outside."""

from api import units


def reading(**changes):
    return {"station": 1, "sensor": "t1", "value": 21, "unit": "celsius", "taken_at": "2024-06-01T06:00:00", **changes}


def test_a_reading_is_received(client):
    response = client.post("/readings", json={"station": 2, "value": 21.25})
    assert response.status_code == 201
    assert response.json()["shown"] == "21.2 °C"
    assert client.get("/stations/2/history").json()["values"] == [23.5, 21.25]


def test_a_reading_for_an_unknown_station_is_refused(client):
    assert client.post("/readings", json={"station": 99, "value": 1}).status_code == 404


def test_a_reading_needs_a_number(client):
    assert client.post("/readings", json={"station": 1, "value": "warm"}).status_code == 422


def test_a_reading_must_be_json(client):
    assert client.post("/readings", content=b"21 degrees").status_code == 400


def test_a_reading_out_of_bounds_raises_an_alert(client):
    client.post("/readings", json={"station": 1, "value": 45, "label": "noon"})
    alert = {"severity": "urgent", "text": "noon: 45 celsius"}
    assert client.get("/stations/1/alerts").json() == {"alerts": [alert]}


def test_a_reading_within_bounds_raises_none(client):
    client.post("/readings", json={"station": 1, "value": 20})
    assert client.get("/stations/1/alerts").json() == {"alerts": []}


def test_a_batch_is_calibrated(client):
    batch = {"label": "b1", "readings": [reading(), reading(sensor="t2", value=20)]}
    assert client.post("/readings/batch", json=batch).json() == {"label": "b1", "written": 2}
    assert [r["value"] for r in client.get("/readings/batch/b1").json()["readings"]] == [21.0, 19.5]


def test_a_batch_of_an_unknown_sensor_is_refused(client):
    batch = {"label": "b1", "readings": [reading(), reading(sensor="t9")]}
    assert client.post("/readings/batch", json=batch).status_code == 404
    assert client.get("/readings/batch/b1").json()["count"] == 0


def test_an_empty_batch_is_refused(client):
    assert client.post("/readings/batch", json={"label": "b1", "readings": []}).status_code == 422


def test_a_day_can_be_cut_to_its_hours(client):
    shown = client.get("/readings/day/2024-05-01?hours=10:14").json()
    assert shown["readings"] == ["24.0 °C", "23.5 °C"]
    assert len(client.get("/readings/day/2024-05-01").json()["readings"]) == 6


def test_a_device_is_welcomed(client):
    response = client.post("/readings/hello", headers={"X-Device": "Probe/1.2"})
    assert response.json() == {"welcome": "probe"}


def test_watering_takes_as_long_as_the_valve_needs(client):
    response = client.post("/waterings", json={"station": 1, "litres": 90, "label": "w1"})
    assert response.json()["minutes"] == 3
    assert client.get("/waterings?label=w1").json()["count"] == 1


def test_watering_stays_within_the_budget(client):
    response = client.post("/waterings", json={"station": 5, "litres": 21})
    assert response.status_code == 409
    assert response.json() == {"detail": "only 20 litres left"}


def test_watering_needs_water(client):
    assert client.post("/waterings", json={"station": 1, "litres": 0}).status_code == 422


def test_watering_needs_a_station(client):
    assert client.post("/waterings", json={"station": 99, "litres": 1}).status_code == 404


def test_a_station_is_exported_line_by_line(client):
    lines = client.get("/exports/stations/1").text.splitlines()
    assert lines[0] == "# North house"
    assert lines[1] == "2024-05-01T06:00:00 20.0 °C"


def test_the_overview_names_all_stations(client):
    assert client.get("/exports/overview").text.splitlines()[4] == "5 Cold frame"


def test_degrees_are_converted():
    assert units.convert(100, "celsius", "fahrenheit") == 212
    assert units.convert(40, "percent", "percent") == 40
