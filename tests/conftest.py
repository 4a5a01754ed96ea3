"""For all tests."""

from stacks.interrupts import take_interrupts

take_interrupts()
