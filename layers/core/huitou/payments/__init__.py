"""Money: charged, given back, shared, and held against WeChat Pay's books."""
