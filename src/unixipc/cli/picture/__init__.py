"""The graph of the inspector as a picture: what is in it (ties, scope, folding, model), where (layout), how (svg, dot, page)."""
