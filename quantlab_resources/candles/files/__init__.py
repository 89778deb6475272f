"""Reading a candle file of any format: its rows as they stand, what it states, and the candles that it holds."""
