"""What a stack can be told: every setting is declared here, once, as a type.

The settings reference (docs/settings.md), the editor schema (docs/stack.schema.json),
the ``config`` block of Pulumi.yaml and every error message are made from these types.
Nothing here touches Pulumi or Kubernetes.
"""
