"""The strict check of experiments: what Chaos Toolkit ignores is an error here.

Chaos Toolkit runs an experiment with ``rollback:`` for ``rollbacks:``, ``argument:`` for
``arguments:`` or a misspelt strategy without a word, and just leaves out what was meant.

`reading` loads a file, `keys` knows every key, `activities` looks up functions and arguments,
`references` follows the names that parts of an experiment call each other by, and `values` has the
agent judge the values of faults and loads.
"""

from chaos_go.errors import BadInputError
from chaos_go.validate import activities, keys, reading, references, values

__all__ = ["check"]


def check(path: str) -> list[str]:
    """Check an experiment file.

    The modules that it names are imported, as Chaos Toolkit does to validate it.

    Args:
        path: YAML or JSON file.

    Returns:
        Problems, each ``place in the file: what is wrong and how to fix it``; empty when none.
    """
    try:
        experiment = reading.load(path)
    except BadInputError as error:
        return [str(error)]
    problems = list(keys.check(experiment))
    if problems:
        return problems  # the rest would stumble over the same mistakes
    problems = [*activities.check(experiment), *references.check(experiment)]
    return problems or list(values.check(experiment))
