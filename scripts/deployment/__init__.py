"""Bringing the bundle to an environment: the local cloud, or Tencent Cloud by the same calls."""
