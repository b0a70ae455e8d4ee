"""The command's door: options in, exit status out."""
