"""What goes wrong in a laboratory."""


class LaboratoryError(Exception):
    """The laboratory cannot do what was asked. The message names the reason and how to fix it."""
