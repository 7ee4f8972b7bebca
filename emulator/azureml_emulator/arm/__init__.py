"""What Azure Resource Manager defines: errors, resources, states, operations."""
