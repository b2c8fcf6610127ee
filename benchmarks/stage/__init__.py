"""What a benchmark runs on: a Redis, a web and a worker of its own, and who watches."""
