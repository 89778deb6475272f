"""What runs without a click: sensors and schedules, each with the job that it asks for."""
