"""Names: which addresses they have, in what order, who says so, and what else is known of them."""
