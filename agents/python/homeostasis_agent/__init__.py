"""The guest that watches a Python process for Homeostasis: standard library only, everything loaded when first needed; importing it starts nothing."""

VERSION = "0.1.0"
PROTOCOL = 1
