"""What runs experiments, keeps their records and judges them."""
