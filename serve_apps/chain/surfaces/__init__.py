"""What is asked for, each its own way through the stages: home, similar, search, rank."""
