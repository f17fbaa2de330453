"""The usual plugin: count states with psutil.net_connections."""

import sys
from collections import Counter

import psutil

states = Counter(connection.status for connection in psutil.net_connections(kind="tcp"))
total = sum(count for state, count in states.items() if state != "LISTEN")
print(f"TCP OK - {total} connections |", *(f"{state.lower()}={count}" for state, count in sorted(states.items())))
sys.exit(2 if total > 1_000_000 else 0)
