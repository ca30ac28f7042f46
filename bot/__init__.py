"""The application: what happens when somebody speaks, rates or gives a command."""
