"""From settings to what is to be: Helm values, pods, specs of resources. Pure."""
