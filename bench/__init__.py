"""Benchmarks on real sockets: `python -m bench` against peers, `python -m bench.state` for the store."""
