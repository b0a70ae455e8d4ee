"""What the code means; the only thing rules read. Where it does not know, it says so."""
