"""What Kubernetes objects tell about why Ray is not up: objects in (as plain dicts), a
verdict out; diagnoser.py and queue.py ask the cluster for them.
"""
