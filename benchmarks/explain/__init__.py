"""HOW LONG A PROOF TAKES: `python -m benchmarks.explain` asks what stops things on fleets of 1,000 hosts."""
