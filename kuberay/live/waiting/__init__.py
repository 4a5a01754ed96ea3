"""Waits until what a stack asked for is up, or fails with a cause that is certain."""
