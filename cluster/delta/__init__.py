"""The lake: Delta tables on a local folder or S3. The only home of `deltalake`."""
