"""The published comparison, a file a figure: what is measured, on which rows, and what it is held against."""
