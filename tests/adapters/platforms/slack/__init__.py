"""Slack, through the real client."""
