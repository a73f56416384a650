"""Keys, sealed texts, receipts, and users out of files."""
