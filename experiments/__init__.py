"""Questions put to networks without a clock: one module a question, run at any scale."""
