"""Traffic that is driven and recorded while an experiment runs, and what is read from it.

`load` starts and stops loads, `recording` holds what they saw second by second, `sli` computes
P99 and rates from a window of it, `histogram` reads the agent's latency histograms.
"""
