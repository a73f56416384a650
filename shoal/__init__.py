"""Shoal: an online recommendation system on Ray."""

__version__ = "0.1.0"
