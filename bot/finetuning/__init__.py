"""What the commands of /finetune do: loaded when one is given, so that a chat does not wait for what only they need."""
