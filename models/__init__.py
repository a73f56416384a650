"""What things are: nouns, contracts and maths. Nothing here knows Ray, storage or HTTP."""
