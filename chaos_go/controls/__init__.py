"""Chaos Toolkit controls: `traffic` drives a load during an experiment, `evidence` keeps a record.

Chaos Toolkit ignores every error of a control except InterruptExecution. It does not call a hook at
all when an argument has a wrong name. So the hooks here accept any argument and refuse unknown ones
themselves, and they raise InterruptExecution for every error that has to stop the run.
"""
