"""What comes by itself in a terminal, and what keys do meanwhile."""
