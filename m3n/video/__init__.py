"""From the frames of a video to a person's landmarks, on the CPU: decoding, networks, tracking, and how bodies are made of them."""
