"""Waits until what a stack asked for is up, or fails with the cause as soon as it is
certain.
"""
