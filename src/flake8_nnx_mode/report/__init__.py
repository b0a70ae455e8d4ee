"""One room per format: results in, text out."""
