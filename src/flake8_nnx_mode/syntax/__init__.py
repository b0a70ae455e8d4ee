"""How the code is written: ast for the outline, LibCST for the bodies, nothing of nnx."""
