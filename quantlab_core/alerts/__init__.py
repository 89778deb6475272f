"""Alerts: Telegram messages, the calls in them, and what becomes of every message."""
