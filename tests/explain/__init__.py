"""Proofs of what cannot be."""
