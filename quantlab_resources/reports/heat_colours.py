"""The colours of a share of alerts that are covered well, the same on a picture and in a terminal."""

HEAT_COLOURS = ("#b3261e", "#ef9f5c", "#f6e3b4", "#8fbbe0", "#2166ac")
"""From none of them to all; told apart without seeing red and green."""
