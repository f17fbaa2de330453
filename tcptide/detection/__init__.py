"""How changes, leaks and ramps are told from chance, the hour and what comes back on time. Pure."""
