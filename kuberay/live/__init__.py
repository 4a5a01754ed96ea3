"""What is asked of a running cluster and of where charts come from, and the little that
is changed there without Pulumi.
"""
