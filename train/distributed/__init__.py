"""The processes of one training and what launched them."""
