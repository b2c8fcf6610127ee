"""What the ports are made of: Redis, arq, memory, channels, look-ups."""
