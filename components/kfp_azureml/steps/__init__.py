"""The components: one folder each, with the KFP component, the work and the generated specifications."""
