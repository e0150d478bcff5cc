"""Tencent Cloud's own APIs in front of the local cloud, so that its clients work on both."""
