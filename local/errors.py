"""What went wrong, in words for the person at the terminal."""


class LocalError(Exception):
    """A failure that its one-line message explains, without a traceback."""
