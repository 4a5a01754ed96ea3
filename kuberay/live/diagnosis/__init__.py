"""What Kubernetes objects tell about why Ray is not up: objects in (as plain dicts), a
verdict out. The diagnoser and the queue's part ask the cluster for them.
"""
