"""Simulated machines of several roles, and what can happen to them. Pure but for its own random numbers."""
