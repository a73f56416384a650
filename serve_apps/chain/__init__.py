"""From a question to an answer: the stages and what holds them together. Knows neither HTTP nor Ray."""
