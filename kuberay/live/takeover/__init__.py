"""What a killed run left in the cluster, whose it is, and how a later run takes it
over.
"""
