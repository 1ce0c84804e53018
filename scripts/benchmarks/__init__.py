"""Measurements of speed, each a file; ``load-balancer benchmark`` runs them."""

from scripts.benchmarks.benchmark import Benchmark

__all__ = [
    "Benchmark",
]
