"""Migrations are made anew for each run."""
