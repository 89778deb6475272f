"""Many strategies on many calls at once, bit for bit as the reference engine would have them."""
