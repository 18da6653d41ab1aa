"""What `make bench-kubernetes` measures, on a real Kubernetes of its own."""
