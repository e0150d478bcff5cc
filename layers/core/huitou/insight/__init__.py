"""The figures by which the chain is measured: the three KPIs."""
