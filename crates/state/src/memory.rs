//! Everything in memory, for tests and for throw-away runs. Written by the same rules as the durable backends.
