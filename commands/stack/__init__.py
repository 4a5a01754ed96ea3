"""A stack as the commands around it meet it: the Pulumi CLI, the stack's state, its
cluster.
"""
