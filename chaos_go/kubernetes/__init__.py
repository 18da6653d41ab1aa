"""Kubernetes, seen through its API server: the connection, objects, selections, watches, access.

This is the only room that imports the package `kubernetes`, and it uses only its reading of
kubeconfigs: objects are plain JSON here, so that releases 35 to 37 behave alike.
"""
