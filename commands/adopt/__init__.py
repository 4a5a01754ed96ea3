"""Brings Helm releases along that were made by hand: from what runs to the settings of
a stack.
"""
