"""The outside world: platforms people talk on and vendors of models, each behind one small protocol."""
