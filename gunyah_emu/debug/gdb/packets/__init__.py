"""The packets, a file a family."""
