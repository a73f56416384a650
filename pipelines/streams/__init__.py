"""Sources that do not end: a folder that files come into, a topic. Each resumes where it stopped."""
