"""Differential privacy: what may be read, at what cost, and the certificate that says so."""
