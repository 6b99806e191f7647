"""Tests of the periodic run, its edges and its page."""
