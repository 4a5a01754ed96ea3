"""Ray on Kubernetes as Pulumi components.

Data flows one way: stack config -> settings (typed, validated) -> plan (pure) ->
components -> outputs.

A component takes its name where a stack may have several, its own part of the plan,
what it stands on, and `opts`, which hold for all that it makes as with any component of
Pulumi's: parent, provider, protect and aliases are handed down, and `depends_on` is
waited for before its first child. Its hooks ask the cluster of the provider that it was
given.
"""
