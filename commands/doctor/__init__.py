"""Looks at a stack and its cluster, and says what is wrong and what to do.
Reads only.
"""
