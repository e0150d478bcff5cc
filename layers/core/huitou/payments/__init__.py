"""Money: charges, refunds, profit sharing, and the comparison with WeChat Pay's books."""
