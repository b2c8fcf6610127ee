"""The web process: takes alerts in, shows incidents, carries commands."""
