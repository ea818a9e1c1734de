"""The application of the library: what it keeps and shows."""
