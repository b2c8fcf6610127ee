"""What other people's projects meet under the name rung."""
