"""Interrupts (Ctrl-C, SIGINT) as Pulumi needs them."""

import signal


def take_interrupts() -> None:
    """Makes this process and those it starts take an interrupt, also where a shell
    started it with interrupts ignored.

    Shells do that to what a script runs in the background, and some CI systems to whole
    jobs; who is started inherits it. Pulumi ends each of its language hosts with an
    interrupt. Where that is ignored, it waits five seconds and kills the host: once in
    every command.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
