"""How many agents one gateway carries: `python -m benchmarks.gateway --ledger postgresql://...`."""
