"""Slack, on slack-bolt: people mention an avatar, write it directly or in its own tab, rate it and give it commands."""
