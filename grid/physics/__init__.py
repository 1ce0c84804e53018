"""The physics of one step: limits, balance, flows, outages, line protection."""
