"""Strategies of one lake: presets by name, published ones by name or id, and publishing."""
