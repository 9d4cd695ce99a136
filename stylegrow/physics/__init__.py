"""Particle showers: simulators from published formulas, and how their signals are stored as images."""
