"""Waiting until what was accepted before is decided, or until what a hold stops is at rest."""
