"""The one error that a user's mistake raises, wherever it is noticed."""


class InputError(ValueError):
    """One sentence that names the thing and the remedy. The command line prints it without a traceback and exits with 2."""
