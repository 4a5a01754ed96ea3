"""What Kubernetes objects tell about why Ray is not up. Pure: objects in (as plain
dicts), a verdict out.
"""
