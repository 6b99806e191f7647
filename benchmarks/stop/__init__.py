"""How soon a stop takes effect: `python -m benchmarks.stop [--ledger PLACE]`."""
