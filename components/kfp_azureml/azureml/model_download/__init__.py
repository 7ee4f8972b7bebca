"""Download registered models: resumable, verified, and complete or not at all."""
