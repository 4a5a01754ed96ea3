"""How the API server of a stack is reached: which cluster it is, clients for it, kinds
of objects.
"""
