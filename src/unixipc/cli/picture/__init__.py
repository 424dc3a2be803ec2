"""The graph of the inspector as a picture.

What is in it: ties, scope, folding, model. Where it goes: layout. How it looks: words, svg, page, dot.
"""
