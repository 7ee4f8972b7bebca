"""Work that runs as a Kubernetes resource: create or join it, follow it, delete it."""
