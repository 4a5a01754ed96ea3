"""From the raw config of a stack to its settings, or to one clear line for each problem
with it. Values files are read, and nothing else.
"""
