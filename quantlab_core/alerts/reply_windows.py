"""How long after a call the answer of a bot belongs to it, and for how long it still tells of the call's own moment."""

from datetime import timedelta

# Bots answer within seconds (all cards of our samples within 4 s); slow ones and outages get minutes. Later answers
# are ignored wherever they stand, so that a call late in the day is read like one at noon.
REPLY_WINDOW = timedelta(minutes=10)
# An answer this soon proves which token the call named, whatever was edited later.
PROOF_WINDOW = timedelta(seconds=60)
# Bots fill in their own card in a first edit; a later edit is a refresh with newer numbers.
SETTLING_TIME = timedelta(seconds=10)
