"""What the day after asks of one incident: as SQL, in words, and as a page that holds all it needs."""
