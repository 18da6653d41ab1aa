"""A laboratory: a real Kubernetes of 1 to 3 nodes that lives wholly in namespaces of this machine."""
