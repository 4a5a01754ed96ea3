"""What is asked of a running cluster, and the little changed there without Pulumi."""
