"""Pointsman: service discovery and layer-4 load balancing for Apache Mesos clusters."""

__version__ = "0.1.0"
