"""Applies fixes to text."""
