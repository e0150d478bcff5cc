"""The outside world: WeChat, other functions, object storage, the weather."""
