"""The project of the library."""
