"""Probes: those of `traffic` and `recovery` measure a running load; those of `http` drive one."""

from chaos_go import discover

__all__ = ["discover"]
