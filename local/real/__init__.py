"""A cluster whose pods really run, on a machine with Debian's packages, PyPI and Go
modules at hand and no container engine.

The control plane, containerd and a kubelet run in namespaces of their own (sandbox.py):
with network, mounts and processes that only they see. So nothing of it can reach the
outside, and nothing of it is left when the first of its processes has ended.
"""
