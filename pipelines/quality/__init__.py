"""How sound the lake's events are: what is missing, doubled, unknown or late; this week beside the last."""
