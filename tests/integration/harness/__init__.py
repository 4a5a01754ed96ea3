"""What integration tests stand on: a stack of the real program, the cluster that it
lies in, the operators there are.
"""
