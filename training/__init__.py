"""From rated exchanges to a released model; knows nothing of the platforms people talk on."""
