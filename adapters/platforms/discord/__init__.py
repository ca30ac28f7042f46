"""Discord, on discord.py: people mention an avatar, reply to it, rate it and give it commands."""
