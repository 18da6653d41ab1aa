"""SLA back-calculation, pure: from observations of latency and business impact to limits.

    observations -> fit -> answer -> SLO files

Nothing here reads a file, opens a socket or knows Chaos Toolkit.
"""
