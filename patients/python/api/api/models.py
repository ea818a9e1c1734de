"""What clients send and get, as pydantic models."""

from datetime import datetime

from pydantic import BaseModel, Field


class NewStation(BaseModel):
    name: str = Field(min_length=1)
    crop: str = "mixed"


class Station(BaseModel):
    id: int
    name: str
    crop: str


class Reading(BaseModel):
    station: int
    sensor: str
    value: float
    unit: str
    taken_at: datetime


class Batch(BaseModel):
    label: str
    readings: list[Reading] = Field(min_length=1)


class Watering(BaseModel):
    station: int
    litres: int = Field(gt=0)
    label: str = ""
