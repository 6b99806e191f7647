"""How long what-if questions take, what a few moves gain, how wrong forecasts are: ``python -m benchmarks.whatif``."""
