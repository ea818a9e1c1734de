"""What a program can say to Homeostasis, which watches it: see `homeostasis.monitoring`. Importing this starts nothing."""

from homeostasis_agent import VERSION as __version__

__all__ = ["__version__"]
