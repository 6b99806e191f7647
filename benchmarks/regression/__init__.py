"""The regression check: whether the program is as fast and as good as it was when its baseline was made.

Unlike the cases, it looks inside: it calls parts of the program in this process, beside fixed reference work, and
judges ratios. `noise` knows what is a difference and what is noise, `speed` and `quality` are what is measured,
`instances` and `reference` what for and beside what, `baseline` is the file of what once was, `check` the whole.
"""
