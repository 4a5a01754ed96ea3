"""KubeRay's custom resource definitions (CRDs) at the operator's version."""
