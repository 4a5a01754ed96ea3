"""Ray on Kubernetes as Pulumi components.

Data flows one way: stack config -> settings (typed, validated) -> plan (pure) -> components -> outputs.
"""
