"""SLA back-calculation: calculates latency limits from observations of delay and business impact.

    observations -> fit -> answer -> SLO files

The package is pure: it reads no file, opens no socket and does not import Chaos Toolkit.
"""
