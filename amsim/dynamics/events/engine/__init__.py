"""The two compiled event engines: one event at a time, and windows as long as the least delay."""
