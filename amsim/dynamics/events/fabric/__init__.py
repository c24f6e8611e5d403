"""Links that units share: the ways of messages through them, and the engine for these."""
