"""Tells the people who run Linux servers, in time, that their TCP connections are about to become a problem."""

__version__ = "0.1.0"
