"""Probes: those of `traffic` measure a running load, those of `http` drive a load themselves."""

from chaos_go import discover

__all__ = ["discover"]
