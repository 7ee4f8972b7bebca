"""Azure Resource Manager: one module for each kind of resource, with its routes and rules."""
