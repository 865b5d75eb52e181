"""Trains models: heads, codebooks, calibration and the verifier."""
