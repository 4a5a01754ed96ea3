"""What is asked of a running cluster, and the little that is changed there without
Pulumi.
"""
