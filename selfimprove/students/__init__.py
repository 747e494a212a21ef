"""Engines that run the student."""
