"""Okabe and Ito's colours, told apart by the colour-blind too, and markers for print in grey."""

COLOURS = ("#0072B2", "#009E73", "#CC79A7", "#000000")
MARKERS = ("o", "s", "^", "D")
LIMIT = "#D55E00"
