"""What went wrong, in words for the person at the terminal."""


class LocalError(Exception):
    """A failure that its one-line message explains; the command line shows it without a
    traceback.
    """
