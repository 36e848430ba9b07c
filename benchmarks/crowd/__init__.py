"""Many who ask the service at once, some of them badly: see `benchmarks/clients.py`."""
