"""The one error that a user can mend."""


class UserError(Exception):
    """Something the user can mend, in one sentence; the command line prints it and exits with status 2."""
