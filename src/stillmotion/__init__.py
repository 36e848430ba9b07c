"""Teach a still-image model to see motion."""
