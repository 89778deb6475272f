"""Which assets are made from everything that is current, and which inputs changed since."""
