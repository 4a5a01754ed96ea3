"""From settings to what is to be: Helm values, pods, the specs of custom resources.
Pure.
"""
