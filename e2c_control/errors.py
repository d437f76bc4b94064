"""The one error that a user's mistake raises, wherever it is noticed."""


class InputError(ValueError):
    """One sentence that names the thing and the remedy; the command line prints it without a traceback, exit code 2."""
