"""Chaos Toolkit controls: `traffic` drives a load during an experiment, `evidence` keeps a record.

Chaos Toolkit swallows every error of a control except InterruptExecution, and does not call a hook
at all when an argument has a wrong name. So the hooks here take any argument, refuse unknown ones
themselves, and turn what must not be missed into InterruptExecution.
"""
