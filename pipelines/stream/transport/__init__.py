"""How events travel: brokers that the stream reads and producers write."""
