"""A laboratory: a real Kubernetes of 1 to 3 nodes, wholly in namespaces of this machine."""
