"""Takes a stack away, whatever condition it is in: `pulumi destroy` and what that alone
cannot do.
"""
