"""Charts: a DataFrame in, a plotly Figure out; a module a page. Pure, so that a notebook can use them too.

Colors that carry a meaning (above or below the mean, in the training or the test set) are fixed and
readable on light and dark; all others are left to the theme. Meaning never hangs on color alone.
"""
