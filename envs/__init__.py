"""Controlled systems as Gymnasium environments."""
