"""What each net learns: its inputs from what is streamed, its loss, and its validation scores."""
