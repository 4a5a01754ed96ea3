"""A stack as the commands around it meet it: Pulumi's CLI, the state, the cluster."""
