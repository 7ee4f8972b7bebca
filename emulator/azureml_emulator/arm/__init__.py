"""What Azure Resource Manager defines: errors, resources, states, long-running operations."""
