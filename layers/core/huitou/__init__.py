"""Huitou 回头: the serverless back end that makes restaurant guests come back."""
