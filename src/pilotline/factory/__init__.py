"""Durable and many-user work, without HTTP: queue, releases, schedules, people."""
