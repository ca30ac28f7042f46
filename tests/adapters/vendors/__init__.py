"""Tests of the vendors of models, and the contract that each of them keeps."""
