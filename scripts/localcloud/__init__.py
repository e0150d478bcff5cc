"""The local cloud: what Tencent Cloud offers Huitou, on loopback, for development and tests.

Not for production: no isolation between callers, and everything trusts this machine.
"""
