"""Tests of the rules, one file a rule, and the contract that all of them keep."""
