"""What is measured, one file per source: `traffic` the running load, `http` a load of its own."""

from chaos_go import discover

__all__ = ["discover"]
