"""Who may knock at the door: API keys and the file that holds them."""
