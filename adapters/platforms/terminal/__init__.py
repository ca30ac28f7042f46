"""The terminal as a platform: a chat for people, plain text for pipes, and the faces of commands in both."""
