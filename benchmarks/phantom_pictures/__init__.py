"""Phantoms beside real scans: pictures, and every measured figure of docs/phantoms.md."""
