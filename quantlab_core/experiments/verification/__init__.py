"""Checking experiments that are on record: run again, compared with another, audited for look-ahead."""
