"""Asset checks: what is judged before it is published, and what is judged of what is stored."""
