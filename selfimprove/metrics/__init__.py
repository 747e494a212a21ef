"""Metrics that `evaluate.load` opens by their path, without a hub."""
