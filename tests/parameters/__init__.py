"""Tests of `optimizer.parameters`."""
