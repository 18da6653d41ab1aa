"""Checks experiments strictly: what Chaos Toolkit ignores is an error here.

Chaos Toolkit accepts ``rollback:`` for ``rollbacks:``, ``argument:`` for ``arguments:``, or a
misspelt strategy without an error, and then ignores that part of the experiment.

`reading` loads a file, `keys` knows every key, `activities` looks up functions and arguments,
`references` checks the names that refer to other parts of the experiment, and `values` has the
agent judge the values of faults and loads.
"""

from chaos_go.errors import BadInputError
from chaos_go.validate import activities, keys, reading, references, values

__all__ = ["check"]


def check(path: str) -> list[str]:
    """Check an experiment file.

    The modules that the file names are imported, as Chaos Toolkit does when it validates a file.

    Args:
        path: YAML or JSON file.

    Returns:
        The problems, each as ``place in the file: what is wrong and how to fix it``.
    """
    try:
        experiment = reading.load(path)
    except BadInputError as error:
        return [str(error)]
    problems = list(keys.check(experiment))
    if problems:
        return problems  # the other checks need valid keys
    problems = [*activities.check(experiment), *references.check(experiment)]
    return problems or list(values.check(experiment))
