"""The colours of heat maps, the same on a picture and in a terminal."""

HEAT_COLOURS = ("#b3261e", "#ef9f5c", "#f6e3b4", "#8fbbe0", "#2166ac")
"""From low to high; told apart without seeing red and green."""
