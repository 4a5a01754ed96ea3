"""A Kubernetes cluster on this machine, for whoever has none at hand.

The control plane, the KubeRay operator and the Pulumi CLI are the real programs, built
from Go modules. Nodes and pods are real where this machine can run them (local/real),
else simulated. Nothing in the product depends on this package.
"""
